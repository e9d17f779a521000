-- Amounts of minor units: numbers below 1e15, which doubles hold exactly, and
-- decimal text from there on.  Sums may pass 2^63-1, and stay exact.

local format = string.format

local SMALL, MAX = 1e15, '9223372036854775807'


-- of decimal digits without zeros before them

local function value(text)
    return #text <= 15 and text + 0 or text
end


local function digits(a)
    return type(a) == 'number' and format('%.0f', a) or a
end


local function less(a, b)
    if type(a) == 'number' then
        return type(b) ~= 'number' or a < b
    end

    return type(b) == 'string' and (#a < #b or (#a == #b and a < b))
end


local function halves(a)
    if type(a) == 'number' then
        return 0, a
    end

    return a:sub(1, -16) + 0, a:sub(-15) + 0
end


local function join(high, low)
    return high > 0 and format('%.0f%015.0f', high, low) or low
end


local function add(a, b)
    if type(a) == 'number' and type(b) == 'number' and a + b < SMALL then
        return a + b
    end

    local ah, al = halves(a)
    local bh, bl = halves(b)
    local low = al + bl

    return low < SMALL and join(ah + bh, low) or join(ah + bh + 1, low - SMALL)
end


-- a - b, or 0 where b is greater

local function minus(a, b)
    if less(a, b) then
        return 0
    end

    local ah, al = halves(a)
    local bh, bl = halves(b)

    return al < bl and join(ah - bh - 1, al + SMALL - bl)
           or join(ah - bh, al - bl)
end


-- 0 to 2^63-1, as Redis writes it

local function is_integer(text)
    return text:find( '^[1-9]%d*$')
           and (#text < 19 or not less(MAX, text)) or text == '0'
end
