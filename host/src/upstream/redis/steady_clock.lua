-- The clock that hosts speak by, in milliseconds: it goes on as that of the host does that is
-- furthest, whatever the clock of this server is set to. `key` is a hash: t what it has reached, w
-- when that was by this server's clock. `reached` is what the host has reached, 0 where it knows of
-- nothing yet. Gives what all have reached, and this server's clock.
local function steady_clock(key, reached)
  local time = redis.call('TIME')
  local wall = time[1] * 1000 + math.floor(time[2] / 1000)
  local known = redis.call('HMGET', key, 't', 'w')
  local last = tonumber(known[1])
  reached = tonumber(reached)
  if reached == 0 and not last then reached = wall end
  if reached == 0 then reached = last + math.max(0, wall - (tonumber(known[2]) or wall)) end
  reached = math.max(reached, last or 0)
  redis.call('HSET', key, 't', string.format('%.0f', reached), 'w', string.format('%.0f', wall))
  return reached, wall
end
