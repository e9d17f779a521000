-- Windows of the calendar, and what a currency has used in them: a field of
-- gate:used:{PID} for each currency, such as
--     2 till:1795276800 window:2026112114 20261116 hour:5000/3 day:7000/5 week:7000/5 month:90000/41
-- layout; when the hour ends; the hour and its Monday; amount / payouts.

local WINDOWS = { 'hour', 'day', 'week', 'month' }
local LIMITS = { 'hour', 'hour_count', 'day', 'day_count', 'week', 'week_count',
                 'month', 'month_count' }

-- a window is named by the hour that it begins in, cut to this length; one
-- that begins on Mondays by the day

local LENGTHS = { 10, 8, false, 6 }

local USED = '^2 till:(%d+) window:(%d+ %d+)'
             .. (' %a+:(%d+)/(%d+)'):rep(#WINDOWS) .. '$'
local TEXT = '2 till:%s window:%s ' .. table.concat(WINDOWS, ':%s/%s ')
             .. ':%s/%s'
