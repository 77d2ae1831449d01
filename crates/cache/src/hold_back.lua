-- KEYS: what is held back. ARGV: for how many milliseconds from now. A longer wait stands.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till = math.max(now + tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or '0'))
redis.call('SET', KEYS[1], string.format('%.0f', till), 'PX', string.format('%.0f', till - now))
