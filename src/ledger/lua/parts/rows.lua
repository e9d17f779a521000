-- Windows of the calendar, and what a currency has used in them: a field of
-- gate:used:{PID} for each currency, such as
--     2 hour:2026112114=5000/3 day:20261121=7000/5 week:... month:... till:1795276800
-- layout; name of the window = amount / payouts; when its hour ends.

local WINDOWS = { 'hour', 'day', 'week', 'month' }

-- a window is named by the hour that it begins in, cut to this length; one
-- that begins on Mondays by the day

local LENGTHS, MONDAY = { 10, 8, false, 6 }, 3

local USED = '^2 ' .. ('%a+:(%d+)=(%d+)/(%d+) '):rep(#WINDOWS) .. 'till:(%d+)$'
