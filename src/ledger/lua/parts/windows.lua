-- Windows and totals: reading, moving, writing.  The time of a window never
-- goes back.

-- "2026112114 20261116": the hour of a moment and its Monday; and the seconds
-- that are left of each window

local function calendar(now, offset)
    local floor = math.floor


    -- year, month and day of a day counted from 1970-01-01, for 2000 to 2099

    local function civil(days)
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

        return (month == 4 or month == 6 or month == 9 or month == 11) and 30
               or 31
    end


    local here = now + offset
    local second = here % 86400
    local days = (here - second) / 86400
    local weekday = (days + 3) % 7
    local year, month, day = civil(days)
    local y, m, d = civil(days - weekday)
    local left = 86400 - second

    return format('%d%02d%02d%02d %d%02d%02d', year, month, day,
                  floor(second / 3600), y, m, d),
           { 3600 - second % 3600, left, left + (6 - weekday) * 86400,
             left + (month_length(year, month) - day) * 86400 }
end


-- of "2026112114 20261116"

local function window_name(window, i)
    return LENGTHS[i] and window:sub(1, LENGTHS[i]) or window:sub(12)
end


-- { sums, counts, till, window }, in the windows of now, or nil where it is
-- damaged; the later of two names of a window is the right one

local function used_read(text, now, offset)
    local sums, counts, till, was = {}, {}, 0, '0000000000 00000000'

    if text then
        local m = { text:match(USED) }

        if not m[1] then
            return nil
        end

        till, was = m[1] + 0, m[2]

        for i = 1, #WINDOWS do
            sums[i], counts[i] = value(m[2 * i + 1]), m[2 * i + 2] + 0
        end
    end

    if now < till then
        return { sums = sums, counts = counts, till = till, window = was }
    end

    local window, left = calendar(now, offset)

    for i = 1, #WINDOWS do
        if window_name(was, i) < window_name(window, i) then
            sums[i], counts[i] = 0, 0
        end
    end

    local hour, monday = window:sub(1, 10), window:sub(12)

    return { sums = sums, counts = counts, till = now + left[1],
             window = (hour > was:sub(1, 10) and hour or was:sub(1, 10)) .. ' '
                      .. (monday > was:sub(12) and monday or was:sub(12)) }
end


local function used_text(used)
    local out = { digits(used.till), used.window }

    for i = 1, #WINDOWS do
        out[2 * i + 1], out[2 * i + 2] = digits(used.sums[i]),
                                         digits(used.counts[i])
    end

    return TEXT:format(unpack(out))
end


-- what is counted for an entry of that window becomes another amount; windows
-- that are over stay as they are

local function used_move(used, window, before, after)
    local more = (after ~= 0 and 1 or 0) - (before ~= 0 and 1 or 0)

    for i = 1, #WINDOWS do
        if window == used.window
           or window_name(used.window, i) == window_name(window, i)
        then
            local sum = used.sums[i]

            used.sums[i] = add(before ~= 0 and minus(sum, before) or sum,
                               after)
            used.counts[i] = math.max(used.counts[i] + more, 0)
        end
    end
end
