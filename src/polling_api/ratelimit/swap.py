"""What Redis does in one call of the exchange: a script, whose one argument and one answer are in MessagePack.

As words of its protocol each name and value would cost a microsecond in Python.
"""

# A record on the board is `began text`. Each change gets the next number, by which readers ask for what is new. The
# last number outlives the board: begun anew, it would be lower than what readers have heard, and they would hear of
# nothing. Who has heard more than there is reads all of it, since Redis may have dropped the number.
_BOARD = """
local function began(record) return tonumber(string.match(record, '^%S+')) or 0 end

local function post(notices)
  for _, notice in ipairs(notices) do
    local name, record = notice[1], notice[2]
    local known = redis.call('HGET', blocks, name)
    if not known or began(record) > began(known) then
      redis.call('HSET', blocks, name, record)
      redis.call('ZADD', changes, redis.call('INCR', serial), name)
    end
  end
  if #notices > 0 then
    for _, old in ipairs(redis.call('ZRANGE', changes, 0, -(offer.most_notices + 1))) do
      redis.call('HDEL', blocks, old)
      redis.call('ZREM', changes, old)
    end
    for _, key in ipairs({blocks, changes}) do redis.call('EXPIRE', key, offer.board_life) end
  end
end

local function news()
  local last = redis.call('GET', serial) or '0'
  local since = offer.since > tonumber(last) and 0 or offer.since
  local found = redis.call(
    'ZRANGEBYSCORE', changes, '(' .. since, last, 'WITHSCORES', 'LIMIT', 0, offer.most_news)
  local told = {}
  for i = 1, #found, 2 do
    told[#told + 1] = {found[i], found[i + 1], redis.call('HGET', blocks, found[i]) or ''}
  end
  return told
end
"""

# A process is entered with the time at which it spoke, now and then while it goes on speaking.
_PROCESSES = """
local function others()
  local found, entered = {}, nil
  local known = redis.call('ZRANGE', processes, 0, -1, 'WITHSCORES')
  for i = 1, #known, 2 do
    if known[i] == offer.process then
      entered = tonumber(known[i + 1])
    else
      found[#found + 1] = {known[i], tonumber(known[i + 1])}
    end
  end
  if not entered or offer.now >= entered + offer.entered_every then
    redis.call('ZADD', processes, offer.now, offer.process)
    redis.call('ZREMRANGEBYSCORE', processes, '-inf', offer.now - offer.heard_of_for)
    redis.call('ZREMRANGEBYRANK', processes, 0, -(offer.most_processes + 1))
    redis.call('EXPIRE', processes, offer.heard_of_for)
  end
  return found
end
"""

# A hash of up to 512 short fields is kept as a list, which is searched from its beginning for each name. One field of
# more than 64 bytes makes it a table: a thousand names then take 1 ms and not 10.
_PAGES = """
local long = string.rep('-', 65)

local function swap(pages)
  local heard, speakers = {}, #pages > 0 and others() or {}
  for number, page in ipairs(pages) do
    local key, spoke_since, life, said, asked = unpack(page)
    if #said > 0 then
      local own = key .. ':' .. offer.process
      if redis.call('HLEN', own) > offer.most_names then redis.call('UNLINK', own) end
      redis.call('HSET', own, '', long, unpack(said))
      redis.call('EXPIRE', own, life)
    end
    for _, speaker in ipairs(#asked > 0 and speakers or {}) do
      if speaker[2] >= spoke_since then
        local values, found = redis.call('HMGET', key .. ':' .. speaker[1], unpack(asked)), {}
        for place = 1, #asked do
          if values[place] then
            found[#found + 1] = place
            found[#found + 1] = values[place]
          end
        end
        if #found > 0 then heard[#heard + 1] = {number, speaker[1], found} end
      end
    end
  end
  return heard
end
"""

SWAP = f"""
local born, processes, blocks, changes, serial = unpack(KEYS)
local offer = cmsgpack.unpack(ARGV[1])
{_BOARD}{_PROCESSES}{_PAGES}
local name = redis.call('GET', born)
if not name then
  name = offer.born
  redis.call('SET', born, name)
end
post(offer.notices)
return cmsgpack.pack({{name, news(), swap(offer.pages)}})
"""
