-- renew.lua - a sign of life: joins the list, acknowledges it, starts and settles epochs.
--
-- KEYS: meta, list, {fr}:gone, {fr}:tok, {fr}:node:<node>, {fr}:comp:<node>, {fr}:sess:<node>,
--       {fr}:ev (a channel)
-- ARGV: 1 node, 2 incarnation, 3 connection
--       4 mesh address
--       5 format of the table
--       6 outage rule (`degrade` or `stop`): one value a cluster
--       7 run id of the Redis that is asked
--       8 name for a new epoch, should one begin (random)
--       9 epoch known, or empty
--      10 version of the list held, if it may be acknowledged; else 0
--      11 highest token seen
--      12 mode: `new`    this incarnation has never been on a settled list
--               `settle` the same, and it may settle this epoch
--               `right`  it has, and may write now
--               `none`   it has, and may not write now
--      13 count of the holder of the name that has not moved for 30 s, or empty
--      14 ... node, incarnation, address of each member of the list held, and of each
--             incarnation that is refused promises
-- Answer:
--   ok, epoch, version, settled (0 or 1), then of each member: node, incarnation, count, joined,
--       ack, address
--   fallen           a new epoch, and the caller has no right: start as a new incarnation
--   buried, number   this incarnation is gone for good, or `number`, higher, has its name
--   held, number, count
--                    another address holds the name: it is incarnation `number` at `count`
--   stale            a higher connection number was seen
--   outage, value / format, value
--                    the table is kept by other rules: exit
-- Publishes the version of the list when it, or the epoch, changed.
local gone, tok = KEYS[3], KEYS[4]
local addr, runid, mode = ARGV[4], ARGV[7], ARGV[12]
local newcomer = mode == 'new' or mode == 'settle'
local all = members()
local held = all[node]
local changed = false

local function kept_by_others(name, ours)
  local value = redis.call('HGET', meta, name)
  return value and value ~= ours and {name, value}
end

local function alone()
  for name in pairs(all) do
    if name ~= node then
      return false
    end
  end
  return true
end

-- What was lost with the old epoch nobody knows: acknowledgements and burials start anew.
local function begin_epoch()
  redis.call('HSET', meta, 'format', ARGV[5], 'outage', ARGV[6], 'run', runid, 'epoch', ARGV[8],
    'settled', '0')
  redis.call('HINCRBY', meta, 'version', 0)
  redis.call('DEL', gone)
  for name, m in pairs(all) do
    m.ack = 0
    row_write(name, m)
  end
  changed = true
end

local function add(name, i, address)
  local row = all[name]
  if row and row.inc ~= i then
    bury(gone, name, row.inc)
    row = nil
  end
  row = row or {inc = i, conn = 0, count = 0}
  row.joined, row.ack, row.addr = next_version(), 0, address
  all[name] = row
  row_write(name, row)
  changed = true
end

-- A returner puts back the list it held: whom it has not seen leave may have a right.
local function put_back()
  for i = 14, #ARGV, 3 do
    local name, number = ARGV[i], tonumber(ARGV[i + 1])
    local row = all[name]
    if name ~= node and not is_gone(gone, name, number) and (not row or row.inc < number) then
      add(name, number, ARGV[i + 2])
    end
  end
  redis.call('HSET', meta, 'settled', '1')
end

-- Who holds the name may be this node's past, or somebody else.
local function name_refused()
  local dead, last = is_gone(gone, node, inc)
  if dead then
    return {'buried', last}
  end
  if not held or held.inc == inc then
    return held and conn < held.conn and {'stale'} --! noconn: return nil
  end
  if held.inc > inc then --! noorder: if false then
    if newcomer and held.addr ~= addr then
      return {'held', text(held.inc), text(held.count)}
    end
    return {'buried', text(held.inc)}
  end
  if newcomer and held.addr ~= addr and ARGV[13] ~= text(held.count) then
    return {'held', text(held.inc), text(held.count)}
  end
end

local function join()
  add(node, inc, addr)
  redis.call('UNLINK', KEYS[5], KEYS[6], KEYS[7])
  redis.call('HSET', KEYS[5], 'inc', ARGV[2], 'addr', addr)
end

local refused = kept_by_others('format', ARGV[5])
  or (not alone() and kept_by_others('outage', ARGV[6]))
if refused then
  return refused
end
if redis.call('HGET', meta, 'run') ~= runid then
  begin_epoch()
end
if tonumber(ARGV[11]) > tonumber(redis.call('GET', tok) or '0') then
  redis.call('SET', tok, ARGV[11])
end

local epoch = redis.call('HGET', meta, 'epoch')
local now = ARGV[9] == epoch
local known = held and held.inc == inc
refused = name_refused()
if refused then
  return refused
end
if (mode == 'none' and not now) or (not newcomer and now and not known) then
  --! nofall: redis.call('HDEL', list, node)
  return {'fallen'}
end

if newcomer and not (known and now) or not known then
  join()
  held = all[node]
end
if now and known then
  held.ack = tonumber(ARGV[10])
  if mode == 'settle' and redis.call('HGET', meta, 'settled') ~= '1' then
    redis.call('HSET', meta, 'settled', '1')
    changed = true
  end
else
  held.ack = 0
  if not newcomer then
    put_back()
  end
end
held.count = held.count + 1
held.conn = math.max(held.conn, conn)
held.addr = addr
row_write(node, held)

local version = redis.call('HGET', meta, 'version')
if changed then
  redis.call('HSET', meta, 'outage', ARGV[6])
  redis.call('PUBLISH', KEYS[8], version)
end
local answer = {'ok', epoch, version, redis.call('HGET', meta, 'settled')}
for name, m in pairs(all) do
  for _, word in ipairs({name, text(m.inc), text(m.count), text(m.joined), text(m.ack), m.addr}) do
    answer[#answer + 1] = word
  end
end
return answer
