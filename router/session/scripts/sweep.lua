-- sweep.lua - remove the rows of those who are not on the list any more.
--
-- Under the conditions of a claim, since a row that is gone is one that anybody may claim.
-- KEYS: meta, list, then the keys of pairs as SCAN found them
-- ARGV: 1 node, 2 incarnation, 3 connection, 4 epoch
-- Answer: ok, number of rows removed; or out, stale, wait.
local all = members()
local refused = claim_refusal(all)
if refused then
  return refused
end

local removed = 0
for k = 3, #KEYS do
  local row = redis.call('GET', KEYS[k])
  if row then
    local name, i = pair_parse(row)
    if not is_member(all, name, i) then
      removed = removed + redis.call('UNLINK', KEYS[k])
    end
  end
end
return {'ok', text(removed)}
