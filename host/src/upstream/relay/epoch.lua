-- Agrees on the epoch: what numbers are to be compared within. It is another one after a server was
-- started or became a master, as that may have lost the last numbers, and where a host knows of a
-- loss.
--
-- KEYS  1 the epoch: g generation, e its name, r the servers that it is of, v how new was what the
--       host knew of the cluster that said so
-- ARGV  1 a name for a new epoch, 2 the last generation that this host knows of: where the epoch is
--       of an earlier one, this was lost, 3 whether numbers of it were lost, 1 or 0, 4 how new is
--       what this host knows of the cluster, 5 whether that counts though another one knew more, 1
--       or 0, 6 and so on the servers
-- Answers generation and name, and 1 if this host knows less of the cluster than another one did,
-- so that its servers are none to go by.
local known = redis.call('HMGET', KEYS[1], 'g', 'e', 'r', 'v')
local is_whole = known[1] and known[2] and known[3]
local last = math.max(tonumber(known[1]) or 0, tonumber(ARGV[2]))
local stands = is_whole and tonumber(known[1]) == last and not (ARGV[3] == '1' and known[1] == ARGV[2])
for place = 6, #ARGV do
  stands = stands and string.find(known[3], ARGV[place], 1, true)
end
if stands then return {known[1], known[2], 0} end
local knows_less = is_whole and (tonumber(known[4]) or 0) > tonumber(ARGV[4])
if knows_less and ARGV[5] == '0' then return {known[1], known[2], 1} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local generation = string.format('%.0f', math.max(last + 1, now))
local servers = table.concat(ARGV, ' ', 6)
redis.call('HSET', KEYS[1], 'g', generation, 'e', ARGV[1], 'r', servers, 'v', ARGV[4])
return {generation, ARGV[1], 0}
