-- Gives a message its number and sends it to edge hosts, unless another ingest host has sent it
-- already. All keys are of one public channel, so a cluster has them in one slot.
--
-- KEYS  1 what is known of the channel: g generation, s last number, w since when `seen` is filled,
--         l the last message, t when it came   2 the last messages   3, 4 identities that were seen
--         lately, and before   5 the channel in Redis
-- ARGV  1 generation, 2 its epoch, 3 this ingest host, 4 its count of this message, 5 identity,
--       6 the message up to its number, 7 the rest, 8 the largest last message that is kept, -1 for
--       none, 9 the last number that this host knows of, 10 until when the message may be sent, by
--       this clock in milliseconds, 11 for how many milliseconds it has waited in this host, 12 when
--       that is by the clock that hosts speak by, 13 how often what this host says of itself has
--       changed, 14 its count of the message of this channel that is on its way before this one, 0 for
--       none, 15 by how many milliseconds this clock was set ahead of late, 16 how many of the last
--       messages are kept
-- Answers the verdict (1 sent, 0 was sent before, -1 another host knows a later epoch, -2 numbers
-- were lost, -3 it is too late, -4 the message before it was refused), the channel's last number or
-- that epoch's generation, and how long ago it was sent before.

-- How far apart two hosts may be, how long one that comes in step has held messages back, how long the
-- last messages stay, and for how long identities stay that nothing follows, in milliseconds; how large
-- a message is that is kept; identities at most.
local window, held, stays, idle = 2000, 1000, 10000, 86400000
local largest, identities = 16384, 10000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[10]) then return {-3, 0, 0} end

local known = redis.call('HMGET', KEYS[1], 'g', 's', 'w')
local generation, mine = tonumber(known[1]) or 0, tonumber(ARGV[1])
if mine < generation then return {-1, generation, 0} end
local seq = 0
if mine == generation then seq = tonumber(known[2]) or 0 end
if seq < tonumber(ARGV[9]) then return {-2, seq, 0} end
if mine > generation then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'g', ARGV[1])
  known[3] = false
end

-- A slot that arrives or a script that comes back between two messages must not swap them.
local latest = 'last ' .. ARGV[3]
if ARGV[14] ~= '0' then
  local done = redis.call('HGET', KEYS[3], latest) or redis.call('HGET', KEYS[4], latest)
  if (tonumber(done) or 0) < tonumber(ARGV[14]) then return {-4, 0, 0} end
end

-- Where the clock was set, what it says of `seen` means nothing, and identities stay for a window more.
local leap, filled = tonumber(ARGV[15]), now - (tonumber(known[3]) or 0)
local was_set = filled < 0 or (filled > window + held and filled - leap <= window + held)
local full = seq % 64 == 0 and redis.call('HLEN', KEYS[3]) > identities
local turned = (filled > window + held and not was_set) or full
if turned then
  if redis.call('EXISTS', KEYS[3]) == 1 then
    redis.call('RENAME', KEYS[3], KEYS[4])
  else
    redis.call('DEL', KEYS[4])
  end
end
if turned or was_set then redis.call('HSET', KEYS[1], 'w', now) end

-- Of each identity: when a message was sent that has it, and the count of each host that had it.
local own, own_count = ARGV[3] .. '=', ARGV[3] .. '=' .. ARGV[4] .. ','
local before = redis.call('HGET', KEYS[3], ARGV[5]) or redis.call('HGET', KEYS[4], ARGV[5])
local kept, first = {}, nil
-- A message that has waited, as Redis did not answer or its host was not in step, was sent by another
-- host that much longer ago.
local sight = window + tonumber(ARGV[11]) + leap
if before then
  for at, hosts in string.gmatch(before, '(%d+):([^;]*);') do
    local age = math.max(0, now - tonumber(at))
    if age <= sight then
      if string.find(hosts, own_count, 1, true) then return {0, seq, 0} end
      kept[#kept + 1] = {at, hosts, age}
      if not first and not string.find(hosts, own, 1, true) then first = #kept end
    end
  end
end
if first then
  kept[first][2] = kept[first][2] .. own_count
else
  kept[#kept + 1] = {string.format('%.0f', now), own_count, 0}
end
local entries = {}
for place, entry in ipairs(kept) do entries[place] = entry[1] .. ':' .. entry[2] .. ';' end
redis.call('HSET', KEYS[3], ARGV[5], table.concat(entries), latest, ARGV[4])
if turned then redis.call('PEXPIRE', KEYS[3], idle) end
if first then return {0, seq, kept[first][3]} end

seq = redis.call('HINCRBY', KEYS[1], 's', 1)
local number = string.format('%.0f', seq)
local head = table.concat({'1', ARGV[1], ARGV[2], number, ARGV[3], ARGV[13]}, ' ') .. '\n'
local message = head .. ARGV[6] .. ',"seq":' .. number .. ARGV[7]
local room = tonumber(ARGV[8])
if room >= 0 then
  if #message <= room then
    redis.call('HSET', KEYS[1], 'l', message, 't', ARGV[12])
  else
    redis.call('HDEL', KEYS[1], 'l', 't')
  end
end
if #message <= largest then
  -- Neither has to be exact, and each command costs.
  local length = redis.call('RPUSH', KEYS[2], message)
  local most = tonumber(ARGV[16])
  if length > most + 16 then redis.call('LTRIM', KEYS[2], -most, -1) end
  if length == 1 or seq % 8 == 0 then redis.call('PEXPIRE', KEYS[2], stays) end
end
redis.call('SPUBLISH', KEYS[5], message)
return {1, seq, 0}
