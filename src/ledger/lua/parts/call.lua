-- What is common to all calls: keys of one project, the ledger's era, and the
-- number of each call that writes.

local LAYOUT = '2'

-- seconds after a reservation when somebody should ask Gate about it

local CHECK = 90

local call, find = redis.call, string.find

local base, project = (KEYS[1] or ''):match('^(.*:)used:({%d+})$')
local entry_base = (base or '') .. 'payout:' .. (project or '') .. ':'


-- whether KEYS[i] is such a key of the project, and, but for those that dry runs
-- share, of what KEYS[1] is of

local function is_key(i, kind, last)
    return KEYS[i] == base .. kind .. ':' .. project .. (last or '')
end


local function is_shared_key(i, kind, last)
    local name = kind .. ':' .. project .. (last or '')

    return KEYS[i] == base .. name or KEYS[i] == base:gsub('dry:$', '') .. name
end


-- the payment_id of an entry's key, or nil where it is none of the project

local function payment_of(key)
    return key:sub(1, #entry_base) == entry_base and key:sub(#entry_base + 1)
           or nil
end


-- what is wrong with the arguments that all scripts have

local function bad_times(offset, ttl)
    return (not find(offset, '^-?%d+$') or #offset > 6) and 'offset'
           or (not find(ttl, '^[1-9]%d*$') or #ttl > 10 or ttl + 0 < 1036800)
              and 'ttl'
end


-- the name of the era, or nil where the ledger has another layout; and the
-- field as it is

local function era_read(key)
    local text = call('HGET', key, 'era')

    if not text then
        return ''
    end

    return text == LAYOUT and '' or text:match('^' .. LAYOUT .. ' (%S+)$'), text
end


-- before the first write of a call; returns its number

local function era_step(key, text)
    if not text then
        call('HSET', key, 'era', LAYOUT)
    end

    return call('HINCRBY', key, 'seq', 1)
end
