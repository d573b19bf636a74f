-- Agrees on the epoch: what numbers are to be compared within. It is another one after Redis was
-- started or replaced by another server, as that may have lost the last numbers, and where a host
-- knows of a loss.
--
-- KEYS  1 the epoch: g generation, e its name, r the server that it is of
-- ARGV  1 the server, 2 a name for a new epoch, 3 the generation in which numbers were lost, 0 for
--       none
-- Answers generation and name.
local known = redis.call('HMGET', KEYS[1], 'g', 'e', 'r')
local lost = ARGV[3] ~= '0' and known[1] == ARGV[3]
if known[1] and known[2] and known[3] == ARGV[1] and not lost then return {known[1], known[2]} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local generation = string.format('%.0f', math.max((tonumber(known[1]) or 0) + 1, now))
redis.call('HSET', KEYS[1], 'g', generation, 'e', ARGV[2], 'r', ARGV[1])
return {generation, ARGV[2]}
