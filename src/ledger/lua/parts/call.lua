-- What is common to all calls: keys of one project, the ledger's era, and the
-- number of each call that writes.

local LAYOUT = '2'

local call = redis.call

local base, project = KEYS[1]:match('^(.*:)used:({%d+})$')


-- whether KEYS[i] is such a key of the project

local function is_key(i, kind, last)
    local name = kind .. ':' .. (project or '') .. (last or '')

    return project and KEYS[i]:sub(-#name) == name
end


-- the payment_id of an entry's key, or nil where it is none of the project

local function payment_of(key)
    local name = (base or '') .. 'payout:' .. (project or '') .. ':'

    return project and key:sub(1, #name) == name and key:sub(#name + 1) or nil
end


local function is_ttl(text)
    return find(text, '^[1-9]%d*$') and #text <= 10 and text + 0 >= 1036800
end


local function is_offset(text)
    return find(text, '^-?%d+$') and #text <= 6
end


-- the era, or nil where the ledger has another layout

local function era_read(key)
    local list = call('HMGET', key, 'layout', 'era')

    if list[1] and list[1] ~= LAYOUT then
        return nil
    end

    return list[2] or '', not list[1]
end


-- before the first write of a call; returns its number

local function era_step(key, fresh)
    if fresh then
        call('HSET', key, 'layout', LAYOUT)
    end

    return call('HINCRBY', key, 'seq', 1)
end
