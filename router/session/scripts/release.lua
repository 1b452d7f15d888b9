-- release.lua - let go of pairs: each row that still carries the caller's token.
--
-- KEYS: meta, list, then {fr}:pair:<local> <remote> of each pair
-- ARGV: 1 node, 2 incarnation, 3 connection, 4 epoch, then for each pair its token
-- Answer: ok, number of rows removed; or out, stale, wait.
local refused = refusal(members(), ARGV[4])
if refused then
  return refused
end

local removed = 0
for k = 3, #KEYS do
  if redis.call('GET', KEYS[k]) == node .. ':' .. ARGV[2] .. ':' .. ARGV[k + 2] then
    removed = removed + redis.call('DEL', KEYS[k])
  end
end
return {'ok', text(removed)}
