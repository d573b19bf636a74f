-- Lets an ingest host leave its messages to others, if another one lives that sends everything: of two
-- hosts that are late together, as Redis stood still, one has to stay. The text before this has
-- `steady_clock`.
--
-- KEYS  1 what each ingest host says of itself   2 the epoch, which has the clock that hosts speak by
-- ARGV  1 this ingest host, 2 what it says once it has left, 3 after how many silent milliseconds a
--       host does not count as alive, 4 what this host has reached of that clock
-- Answers 1 if it has left, 0 if it is to stay.
local now = steady_clock(KEYS[2], ARGV[4])
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
