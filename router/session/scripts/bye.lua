-- bye.lua - leave the list for good.
--
-- KEYS: meta, list, {fr}:gone, {fr}:node:<node>, {fr}:comp:<node>, {fr}:sess:<node>, {fr}:ev (a
--       channel)
-- ARGV: 1 node, 2 incarnation, 3 connection
-- Answer: ok, version of the list now; or out, stale.
-- Publishes the version of the list.
local refused = refusal(members(), nil)
if refused then
  return refused
end
return take_off(node, inc)
