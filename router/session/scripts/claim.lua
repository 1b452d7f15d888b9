-- claim.lua - take pairs that nobody owns; the look-up of those that somebody does.
--
-- KEYS: meta, list, {fr}:tok, then {fr}:pair:<local> <remote> of each pair
-- ARGV: 1 node, 2 incarnation, 3 connection, 4 epoch, then for each pair the witness: the row of
--       the owner that offered it (node:incarnation:token), or empty
-- Answer: ok, then of each pair the row as it is now (it is the caller's if it names the caller);
--         or out, stale, wait.
local tok = KEYS[3]
local all = members()
local refused = claim_refusal(all)
if refused then
  return refused
end

local function free(row, witness)
  if not row or row == witness then
    return true
  end
  local name, i = pair_parse(row)
  return (name == node and i == inc) or not is_member(all, name, i)
end

local answer = {'ok'}
for k = 4, #KEYS do
  local row = redis.call('GET', KEYS[k])
  --! noconn: if row and string.find(row, node .. ':' .. ARGV[2] .. ':', 1, true) == 1 then answer[#answer + 1] = row else
  if free(row, ARGV[k + 1]) then
    row = node .. ':' .. ARGV[2] .. ':' .. text(redis.call('INCR', tok))
    redis.call('SET', KEYS[k], row)
  end
  answer[#answer + 1] = row
  --! noconn: end
end
return answer
