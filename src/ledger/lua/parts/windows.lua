-- Windows of the calendar, and what a currency has used in them: a field of
-- gate:used:{PID} for each currency, such as
--     2 hour:2026112114=5000/3 day:20261121=7000/5 week:... month:... till:1795276800
-- layout; name of the window = amount / payouts; when its hour ends.  The time
-- of a window never goes back.

-- a name of a window is the hour that it begins in, cut to this length; "week"
-- is that of its Monday

local WINDOWS = { { 'hour', 10 }, { 'day', 8 }, { 'week', 8, monday = true },
                  { 'month', 6 } }

local USED = '^2 ' .. ('%a+:(%d+)=(%d+)/(%d+) '):rep(#WINDOWS) .. 'till:(%d+)$'


-- year, month and day of a day counted from 1970-01-01, for 2000 to 2099

local function civil(days)
    local floor = math.floor
    local z = days - 11017
    local y = floor((4 * z + 3) / 1461)
    local d = z - floor(1461 * y / 4)
    local m = floor((5 * d + 2) / 153)

    d = d - floor((153 * m + 2) / 5) + 1

    if m < 10 then
        return 2000 + y, m + 3, d
    end

    return 2001 + y, m - 9, d
end


local function month_length(year, month)
    if month == 2 then
        return year % 4 == 0 and 29 or 28
    end

    return (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31
end


-- "2026112114 20261116": the hour of a moment and its Monday

local function window_of(now, offset)
    local here = now + offset
    local second = here % 86400
    local days = (here - second) / 86400
    local year, month, day = civil(days)
    local y, m, d = civil(days - (days + 3) % 7)

    return format('%d%02d%02d%02d %d%02d%02d', year, month, day,
                  math.floor(second / 3600), y, m, d)
end


local function window_name(window, row)
    return row.monday and window:sub(12) or window:sub(1, row[2])
end


-- seconds to the end of each window

local function windows_left(now, offset)
    local here = now + offset
    local second = here % 86400
    local days = (here - second) / 86400
    local year, month, day = civil(days)
    local left = 86400 - second

    return { 3600 - second % 3600, left, left + (6 - (days + 3) % 7) * 86400,
             left + (month_length(year, month) - day) * 86400 }
end


-- moves on to the windows of now; the later of two names is the right one

local function used_move_on(used, now, offset)
    local window = window_of(now, offset)

    used.till = now + 3600 - (now + offset) % 3600

    for i, row in ipairs(WINDOWS) do
        local name = window_name(window, row)

        if not used.names[i] or used.names[i] < name then
            used.names[i], used.sums[i], used.counts[i] = name, 0, 0
        end
    end
end


-- { names, sums, counts, till, window }, or nil where it is damaged

local function used_read(text, now, offset)
    local used = { names = {}, sums = {}, counts = {}, till = 0 }

    if text then
        local m = { text:match(USED) }

        if not m[1] then
            return nil
        end

        for i = 1, #WINDOWS do
            used.names[i] = m[3 * i - 2]
            used.sums[i] = value(m[3 * i - 1])
            used.counts[i] = m[3 * i] + 0
        end

        used.till = m[#m] + 0
    end

    if now >= used.till then
        used_move_on(used, now, offset)
    end

    for i, row in ipairs(WINDOWS) do
        if row.monday then
            used.window = used.names[1] .. ' ' .. used.names[i]
        end
    end

    return used
end


local function used_text(used)
    local out = {}

    for i, row in ipairs(WINDOWS) do
        out[i] = format('%s:%s=%s/%.0f', row[1], used.names[i],
                        digits(used.sums[i]), used.counts[i])
    end

    return format('2 %s till:%.0f', table.concat(out, ' '), used.till)
end


-- what is counted for an entry of that window becomes another amount; windows
-- that are over stay as they are

local function used_move(used, window, before, after)
    local more = (after ~= 0 and 1 or 0) - (before ~= 0 and 1 or 0)

    for i, row in ipairs(WINDOWS) do
        if used.names[i] == window_name(window, row) then
            used.sums[i] = add(minus(used.sums[i], before), after)
            used.counts[i] = math.max(used.counts[i] + more, 0)
        end
    end
end
