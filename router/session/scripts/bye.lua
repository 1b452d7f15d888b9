-- bye.lua - leave the list for good.
--
-- KEYS: meta, list, {fr}:gone, {fr}:node:<node>, {fr}:comp:<node>, {fr}:sess:<node>, {fr}:ev (a
--       channel)
-- ARGV: 1 node, 2 incarnation, 3 connection
-- Answer: ok, version of the list now; or out, stale.
-- Publishes the version of the list.
local gone = KEYS[3]
local refused = refusal(members(), nil)
if refused then
  return refused
end
redis.call('HDEL', list, node)
bury(gone, node, inc)
redis.call('UNLINK', KEYS[4], KEYS[5], KEYS[6])
local version = text(next_version())
redis.call('PUBLISH', KEYS[7], version)
return {'ok', version}
