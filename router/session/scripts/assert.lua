-- assert.lua - put the caller's own rows into a table that may have lost them.
--
-- Allowed before claims are.
-- KEYS: meta, list, {fr}:tok, then {fr}:pair:<local> <remote> of each pair
-- ARGV: 1 node, 2 incarnation, 3 connection, 4 epoch, then for each pair its token, or 0 for one
--       that never had a row (it gets a token)
-- Answer: ok, then of each pair the row as it is now: if it does not name the caller, the caller
--         has lost the pair; or out, stale, wait.
local tok = KEYS[3]
local all = members()
local refused = refusal(all, ARGV[4])
if refused then
  return refused
end

-- Over those of members that are not back yet: were the row still theirs, they would not have let
-- the caller have the pair.
local function mine(row)
  if not row then
    return true
  end
  local name, i = pair_parse(row)
  return not is_member(all, name, i) or all[name].ack == 0
end

local answer = {'ok'}
for k = 4, #KEYS do
  local row = redis.call('GET', KEYS[k])
  local name, i
  if row then
    name, i = pair_parse(row)
  end
  local ours, token = name == node and i == inc, ARGV[k + 1]
  -- A row of ours under a pair taken without one is of before: its release may be on the way.
  if (ours and token == '0') or (not ours and mine(row)) then
    if token == '0' then
      token = text(redis.call('INCR', tok))
    end
    row = node .. ':' .. ARGV[2] .. ':' .. token
    redis.call('SET', KEYS[k], row)
  end
  answer[#answer + 1] = row
end
return answer
