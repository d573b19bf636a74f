-- Lets an ingest host leave its messages to others, if another one lives that sends everything: of two
-- hosts that are late together, as Redis stood still, one has to stay.
--
-- KEYS  1 what each ingest host says of itself
-- ARGV  1 this ingest host, 2 what it says once it has left, 3 after how many silent milliseconds a
--       host does not count as alive
-- Answers 1 if it has left, 0 if it is to stay.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said = redis.call('HGETALL', KEYS[1])
for place = 1, #said, 2 do
  -- What cannot be read was written by another version, and counts as nobody.
  local good, record = pcall(cjson.decode, said[place + 1])
  if said[place] ~= ARGV[1] and good and type(record) == 'table' and type(record.families) == 'table'
    and now - (tonumber(record.at) or 0) < tonumber(ARGV[3]) then
    for _, family in pairs(record.families) do
      if type(family) == 'table' and tonumber(family.covered_since) then
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        return 1
      end
    end
  end
end
return 0
