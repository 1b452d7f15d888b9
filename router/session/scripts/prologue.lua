-- prologue.lua - put before each of the other scripts: the rows of the members' list.
--
-- Every script: KEYS[1] = {fr}:meta, KEYS[2] = {fr}:list; ARGV[1..3] = node, incarnation,
-- connection of the caller. Every script but `renew` and `bye`: ARGV[4] = the epoch it knows.
-- Every answer is an array of strings; the first is a word:
--   ok      done; what follows is the script's own
--   out     the incarnation is not on the list (start a renewal, which says why)
--   stale   a higher connection number was seen: nothing done, the caller is a ghost of itself
--   wait    not now (number or epoch not renewed yet, list not acknowledged): ask again later
-- No clock, no chance; a batch is at most 200 pairs. Numbers stay below 2^53: a double is exact.
local meta, list = KEYS[1], KEYS[2]
local node, inc, conn = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function text(n)
  return string.format('%.0f', n)
end

-- {fr}:list is node -> incarnation:connection:count:joined:ack:address
local function row_parse(row)
  local i, c, n, j, a, addr = string.match(row, '^(%d+):(%d+):(%d+):(%d+):(%d+):(.*)$')
  return {
    inc = tonumber(i), conn = tonumber(c), count = tonumber(n), joined = tonumber(j),
    ack = tonumber(a), addr = addr,
  }
end

local function row_write(name, m)
  redis.call('HSET', list, name, table.concat({
    text(m.inc), text(m.conn), text(m.count), text(m.joined), text(m.ack), m.addr,
  }, ':'))
end

-- name -> row of all members
local function members()
  local all, flat = {}, redis.call('HGETALL', list)
  for i = 1, #flat, 2 do
    all[flat[i]] = row_parse(flat[i + 1])
  end
  return all
end

local function next_version()
  return redis.call('HINCRBY', meta, 'version', 1)
end

-- {fr}:gone is node -> the highest incarnation that left the list in this epoch; those below it
-- are gone as well, since incarnations of a name rise.
local function is_gone(gone, name, i)
  local last = redis.call('HGET', gone, name)
  return last and i <= tonumber(last), last --! notomb: return false
end

local function bury(gone, name, i)
  if not is_gone(gone, name, i) then
    redis.call('HSET', gone, name, text(i))
  end
end

-- KEYS[3..7] of the caller: {fr}:gone, {fr}:node:<name>, {fr}:comp:<name>, {fr}:sess:<name>, {fr}:ev.
-- Answers ok and the version of the list now, and publishes it.
local function take_off(name, i)
  redis.call('HDEL', list, name)
  bury(KEYS[3], name, i)
  redis.call('UNLINK', KEYS[4], KEYS[5], KEYS[6])
  local version = text(next_version())
  redis.call('PUBLISH', KEYS[7], version)
  return {'ok', version}
end

-- The answer to a caller that may not act, or nil.
local function refusal(all, epoch)
  local me = all[node]
  if not me or me.inc ~= inc then
    return {'out'}
  end
  if conn < me.conn then --! noconn: if false then
    return {'stale'}
  end
  if epoch and (conn > me.conn or epoch ~= redis.call('HGET', meta, 'epoch')) then
    return {'wait'}
  end
end

-- The same for claims, and for what makes pairs free to claim: the epoch is settled, and every other
-- member has acknowledged a list that the caller is on.
local function claim_refusal(all)
  local refused = refusal(all, ARGV[4])
  if refused then
    return refused
  end
  if redis.call('HGET', meta, 'settled') ~= '1' then --! nosettle: if false then
    return {'wait'}
  end
  for name, m in pairs(all) do
    if name ~= node and m.ack < all[node].joined then --! noack: if false then
      return {'wait'}
    end
  end
end

-- {fr}:pair:<local> <remote> is node:incarnation:token
local function pair_parse(row)
  local name, i, token = string.match(row, '^(.*):(%d+):(%d+)$')
  return name, tonumber(i), tonumber(token)
end

local function is_member(all, name, i)
  return all[name] ~= nil and all[name].inc == i
end
