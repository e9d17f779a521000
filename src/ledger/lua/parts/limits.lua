-- Limits of a currency, a hash that operators edit: min, max, and for each
-- window an amount (day) and a number of payouts (day_count).  A value may end
-- by itself: "3000000 until 1795300000 then 2000000", or "then -" for none.

local UNTIL = '^(%d+) until (%d+) then ([%d-]+)$'


-- what a field says now, false for nothing, and until when; nil where it is no
-- limit

local function limit_now(text, now)
    if is_integer(text) then
        return value(text)
    end

    local first, till, after = text:match(UNTIL)

    if not first or not is_integer(first) or not is_integer(till)
       or not (after == '-' or is_integer(after))
    then
        return nil
    end

    if less(now, value(till)) then
        return value(first), till
    end

    return after ~= '-' and value(after)
end


-- of a HGETALL, by field; or nil, and the field and value that are none

local function limits_read(list, now)
    local known, limits = { min = true, max = true }, {}

    for i = 1, #LIMITS do
        known[LIMITS[i]] = true
    end

    for i = 1, #list, 2 do
        local field, text = list[i], list[i + 1]

        if known[field] then
            local limit = limit_now(text, now)

            if limit == nil then
                return nil, field, text:sub(1, 32)
            end

            limits[field] = limit

        elseif field:sub(1, 1) ~= '_' then
            -- a misspelt limit must not pass for one that is not set
            return nil, field:sub(1, 32), ''
        end
    end

    return limits
end
