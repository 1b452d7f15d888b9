-- bury.lua - take a silent member off the list, if it is still as silent as the caller saw it.
--
-- KEYS: meta, list, {fr}:gone, {fr}:node:<target>, {fr}:comp:<target>, {fr}:sess:<target>,
--       {fr}:ev (a channel)
-- ARGV: 1 node, 2 incarnation, 3 connection, 4 epoch, 5 node and 6 incarnation to be buried, 7 its
--       count as watched
-- Answer: ok, version of the list now; no (it lives, or is not on the list); or out, stale, wait.
-- Publishes the version of the list.
local target, number = ARGV[5], tonumber(ARGV[6])
local all = members()
local refused = refusal(all, ARGV[4])
if refused then
  return refused
end
if not is_member(all, target, number) or text(all[target].count) ~= ARGV[7] then --! nowatch: if not is_member(all, target, number) then
  return {'no'}
end
return take_off(target, number)
