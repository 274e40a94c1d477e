-- A dissector of swarmlet's native dialect for Wireshark and tshark 3.6 and later.
--
--   tshark -X lua_script:scripts/wireshark/swarmlet.lua -r talk.pcapng
--
-- Peers are `swarmlet`, what goes to and from trackers is `swarmlet_tracker`; docs/wireshark.md has
-- filters to try, PROTOCOL.md every message. Any port will do: a stream is known by its magic
-- ("SWP1", "SWT1"), a datagram by "SWT1". BitTorrent is left to Wireshark's own dissector.
--
-- What is here: a reader of MessagePack that takes what it is given and says what is wrong with it;
-- tables of messages and fields; what a body holds; which answer belongs to which question; what a
-- peer should not have said. What a conversation has said is learnt once, when a packet is first
-- seen, and kept by packet, because Wireshark shows packets in any order.

-- Limits, as in PROTOCOL.md.
local MOST_FRAME = 135168
local MOST_HEAD = 4096
local MOST_BODY = 131072
local MOST_DATAGRAM = 1200
local MOST_DEPTH = 16
local MOST_SHOWN = 512 -- entries of a list that become items of the tree

local CLASSES = { [1] = "COMMAND", [2] = "DATA", [3] = "CONTROL" }

---------------------------------------------------------------------------------------------------
-- MessagePack. A value is a table: kind, v, at and len of its bytes in the header (tag included),
-- from and size of what it holds. All positions count from 1, as strings do.

local function number_of(text, at, len)
  local value = 0
  for i = at, at + len - 1 do value = value * 256 + text:byte(i) end
  return value
end

local function hex(text)
  return (text:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

-- Fixed tags: kind, bytes behind the tag.
local FIXED = {
  [0xc0] = { "nil", 0 }, [0xc2] = { "bool", 0, false }, [0xc3] = { "bool", 0, true },
  [0xca] = { "float", 4 }, [0xcb] = { "float", 8 },
  [0xcc] = { "uint", 1 }, [0xcd] = { "uint", 2 }, [0xce] = { "uint", 4 }, [0xcf] = { "uint", 8 },
  [0xd0] = { "int", 1 }, [0xd1] = { "int", 2 }, [0xd2] = { "int", 4 }, [0xd3] = { "int", 8 },
  [0xd4] = { "ext", 2 }, [0xd5] = { "ext", 3 }, [0xd6] = { "ext", 5 }, [0xd7] = { "ext", 9 },
  [0xd8] = { "ext", 17 },
}
-- Tags with a length behind them: kind, bytes of the length.
local SIZED = {
  [0xc4] = { "bin", 1 }, [0xc5] = { "bin", 2 }, [0xc6] = { "bin", 4 },
  [0xc7] = { "ext", 1, 1 }, [0xc8] = { "ext", 2, 1 }, [0xc9] = { "ext", 4, 1 },
  [0xd9] = { "str", 1 }, [0xda] = { "str", 2 }, [0xdb] = { "str", 4 },
  [0xdc] = { "array", 2 }, [0xdd] = { "array", 4 }, [0xde] = { "map", 2 }, [0xdf] = { "map", 4 },
}

-- What stands at `at`: kind, where it begins behind the tag, its size (bytes, or elements).
local function tag_of(text, at)
  local tag = text:byte(at)
  if not tag then return nil, "the header ends in the middle of a value" end
  if tag < 0x80 then return "uint", at, 1, tag end
  if tag < 0x90 then return "map", at + 1, tag - 0x80 end
  if tag < 0xa0 then return "array", at + 1, tag - 0x90 end
  if tag < 0xc0 then return "str", at + 1, tag - 0xa0 end
  if tag >= 0xe0 then return "int", at, 1, tag - 256 end
  local fixed = FIXED[tag]
  if fixed then return fixed[1], at + 1, fixed[2], fixed[3] end
  local sized = SIZED[tag]
  if not sized then return nil, string.format("0x%02x is no MessagePack", tag) end
  if at + sized[2] > #text then return nil, "the header ends in the middle of a length" end
  return sized[1], at + 1 + sized[2], number_of(text, at + 1, sized[2]) + (sized[3] or 0)
end

-- Reads a value: itself and the position behind it, or nil and what is wrong.
local function unpack_value(text, at, depth)
  local kind, from, size, value = tag_of(text, at)
  if not kind then return nil, from end
  local item = { kind = kind, v = value, at = at, from = from, size = size }
  local next
  if kind == "map" or kind == "array" then
    if depth >= MOST_DEPTH then return nil, "nested deeper than " .. MOST_DEPTH end
    -- Each element has a byte at least: a length that lies costs nothing.
    if size > #text - from + 1 then return nil, "more elements than bytes" end
    next = from
    for index = 1, size do
      local key
      if kind == "map" then
        local read, after = unpack_value(text, next, depth + 1)
        if not read then return nil, after end
        key, next = read, after
      end
      local read, after = unpack_value(text, next, depth + 1)
      if not read then return nil, after end
      read.key, next = key, after
      item[index] = read
    end
  else
    next = from + size
    if next - 1 > #text then return nil, "the header ends in the middle of a value" end
    if kind == "uint" and value == nil then
      item.v = number_of(text, from, size)
    elseif kind == "int" and value == nil then
      local number = number_of(text, from, size)
      item.v = number >= 2 ^ (8 * size - 1) and number - 2 ^ (8 * size) or number
    elseif kind == "str" or kind == "bin" then
      item.v = text:sub(from, next - 1)
    end
  end
  item.len = next - at
  return item, next
end

-- Somebody's text, so that it fits a line.
local function plain(text, most)
  text = text:gsub("[%c\127-\255]", ".")
  if #text > most then text = text:sub(1, most - 2) .. ".." end
  return text
end

local function shown(value)
  if value.kind == "str" then return '"' .. plain(value.v, 80) .. '"' end
  if value.kind == "bin" then return hex(value.v:sub(1, 32)) .. (#value.v > 32 and ".." or "") end
  if value.kind == "array" then return "an array of " .. #value end
  if value.kind == "map" then return "a map of " .. #value end
  if value.kind == "uint" or value.kind == "int" then return string.format("%.0f", value.v) end
  if value.kind == "bool" then return tostring(value.v) end
  return value.kind
end

---------------------------------------------------------------------------------------------------
-- Messages. A field that ends in ? may be absent. `body` is "" for none, else what it holds.

local PEER = {
  [0x10] = { "HELLO", "version info_hash peer_id port features", "" },
  [0x11] = { "GET_COUNT", "", "" },
  [0x12] = { "GET_METAINFO", "offset length", "" },
  [0x13] = { "GET_HASHES", "root base index count proof?", "" },
  [0x14] = { "INTERESTED", "", "" },
  [0x15] = { "NOT_INTERESTED", "", "" },
  [0x16] = { "GET", "piece offset length", "" },
  [0x17] = { "CANCEL", "piece offset length", "" },
  [0x18] = { "PEERS", "", "" },
  [0x19] = { "PING", "number", "" },
  [0x1f] = { "BYE", "", "" },
  [0x20] = { "CHUNK_DATA", "piece offset length", "bytes" },
  [0x21] = { "METAINFO", "offset total info", "bytes" },
  [0x22] = { "HASHES", "root base index count proof?", "hashes" },
  [0x30] = { "STATE", "state peer_id", "" },
  [0x31] = { "CHUNK_COUNT", "count", "" },
  [0x32] = { "BITFIELD", "first", "bits" },
  [0x33] = { "HAVE", "piece", "" },
  [0x34] = { "HAVE_ALL", "", "" },
  [0x35] = { "HAVE_NONE", "", "" },
  [0x36] = { "CHOKE", "", "" },
  [0x37] = { "UNCHOKE", "", "" },
  [0x38] = { "REJECT", "piece offset length", "" },
  [0x39] = { "ACK", "", "" },
  [0x3a] = { "ERROR", "code message", "" },
  [0x3b] = { "PEER_LIST", "", "addresses" },
  [0x3c] = { "PONG", "number", "" },
}

local TRACKER = {
  [0x10] = { "HELLO", "seq version", "padding" },
  [0x11] = { "REGISTER", "seq cookie info_hash peer_id port name size pieces left uploaded downloaded bittorrent?", "bits" },
  [0x12] = { "KEEPALIVE", "seq cookie port", "beats" },
  [0x13] = { "REQUEST", "seq cookie info_hash port wanted to?", "" },
  [0x14] = { "BECOME_SEEDER", "seq cookie info_hash port", "" },
  [0x15] = { "UNREGISTER", "seq cookie info_hash peer_id port", "" },
  [0x16] = { "GET_COUNT", "seq cookie info_hash", "" },
  [0x17] = { "PUBLISH", "info_hash name offset total", "bytes" },
  [0x18] = { "LOOKUP", "name", "" },
  [0x19] = { "FETCH", "info_hash", "" },
  [0x1a] = { "LIST", "after?", "" },
  [0x1b] = { "PEERS", "info_hash port wanted", "" },
  [0x1c] = { "HAVE", "info_hash peer_id port pieces", "bits" },
  [0x1d] = { "QUERY", "id op key rd hops max origin? cookie?", "padding" },
  [0x1e] = { "SYNC", "cookie", "swarms" },
  [0x1f] = { "LINKS", "cookie info_hash port", "links" },
  [0x20] = { "PEER_LIST", "seq info_hash seeders leechers more", "peers" },
  [0x21] = { "LISTING", "more", "contents" },
  [0x22] = { "TORRENT", "info_hash offset total", "bytes" },
  [0x23] = { "ANSWER", "id op rcode aa ra tc ttl_ms ns? path?", "records" },
  [0x30] = { "COOKIE", "seq cookie", "" },
  [0x31] = { "CHUNK_COUNT", "seq info_hash count", "" },
  [0x32] = { "ACK", "seq keepalive_ms expire_ms interval_ms unknown? publish? links_ms?", "" },
  [0x33] = { "ERROR", "seq code message retry_after_ms", "" },
}

-- Fields by type: the type in the header, how it is shown, its name for people.
local FIELDS = {
  uint32 = "version port offset length total info base index count proof first piece code seq pieces wanted "
    .. "seeders leechers keepalive_ms expire_ms interval_ms links_ms retry_after_ms hops max ttl_ms",
  uint64 = "number size left uploaded downloaded id origin",
  str = "state message name key",
  bin = "info_hash peer_id root cookie to unknown publish after",
  bool = "bittorrent more rd aa ra tc",
  array = "features ns path",
  uint8 = "op rcode",
}
local TYPE_OF = {}
for kind, names in pairs(FIELDS) do
  for name in names:gmatch("%S+") do TYPE_OF[name] = kind end
end

-- Bytes that a field must have.
local LENGTHS = { info_hash = { 32 }, peer_id = { 20 }, root = { 32 }, cookie = { 8 }, to = { 4, 16 }, after = { 32 } }

local OPS = { [1] = "PEERS", [2] = "META", [3] = "NAME", [4] = "ANNOUNCE", [5] = "PING" }
local RCODES = { [0] = "NOERROR", [1] = "FORMERR", [2] = "SERVFAIL", [3] = "NXSWARM", [5] = "REFUSED", [16] = "LOOP" }
local STANDINGS = { [0] = "choked", [1] = "served", [2] = "served on trial" }

---------------------------------------------------------------------------------------------------
-- The two protocols, with their fields and complaints.

local function make(name, title, messages, magic)
  local proto = Proto(name, title)
  local p = { proto = proto, name = name, messages = messages, magic = magic, magic_number = number_of(magic, 1, 4) }
  local words = {}
  for kind, message in pairs(messages) do words[kind] = message[1] end
  local f = {
    magic = ProtoField.string(name .. ".magic", "Magic"),
    frame_length = ProtoField.uint32(name .. ".frame_length", "Bytes that follow"),
    type = ProtoField.uint8(name .. ".type", "Type", base.HEX, words),
    class = ProtoField.uint8(name .. ".class", "Class", base.DEC, CLASSES),
    body_length = ProtoField.uint32(name .. ".body_length", "Body length"),
    body = ProtoField.bytes(name .. ".body", "Body"),
    entry = ProtoField.string(name .. ".entry", "Entry"),
    request_in = ProtoField.framenum(name .. ".request_in", "Answer to", base.NONE, frametype.REQUEST),
    response_in = ProtoField.framenum(name .. ".response_in", "Answered in", base.NONE, frametype.RESPONSE),
    last_response_in = ProtoField.framenum(name .. ".last_response_in", "Last part in", base.NONE, frametype.RESPONSE),
    said_in = ProtoField.framenum(name .. ".said_in", "Said in", base.NONE),
    time = ProtoField.relative_time(name .. ".time", "Time since the question"),
  }
  for _, message in pairs(messages) do
    message.has = {}
    for field in message[2]:gmatch("[%w_]+") do
      message.has[field] = true
      if not f[field] then
        local kind, path = TYPE_OF[field], name .. "." .. field
        if kind == "uint32" then f[field] = ProtoField.uint32(path, field)
        elseif kind == "uint64" then f[field] = ProtoField.uint64(path, field)
        elseif kind == "uint8" then f[field] = ProtoField.uint8(path, field, base.DEC, field == "op" and OPS or RCODES)
        elseif kind == "str" then f[field] = ProtoField.string(path, field)
        elseif kind == "bool" then f[field] = ProtoField.bool(path, field)
        else f[field] = ProtoField.bytes(path, field) end
      end
    end
  end
  p.f = f
  local list = {}
  for _, field in pairs(f) do list[#list + 1] = field end
  proto.fields = list
  local e = {
    malformed = ProtoExpert.new(name .. ".malformed", "malformed", expert.group.MALFORMED, expert.severity.ERROR),
    unknown_type = ProtoExpert.new(name .. ".unknown_type", "unknown type", expert.group.UNDECODED, expert.severity.WARN),
    unknown_field = ProtoExpert.new(name .. ".unknown_field", "a field that is not known is passed over", expert.group.UNDECODED, expert.severity.NOTE),
    choked = ProtoExpert.new(name .. ".get_while_choked", "GET sent while choked", expert.group.SEQUENCE, expert.severity.WARN),
    crossed = ProtoExpert.new(name .. ".get_crossed_choke", "GET that crossed a CHOKE on its way", expert.group.SEQUENCE, expert.severity.NOTE),
    after_bye = ProtoExpert.new(name .. ".after_bye", "message after BYE", expert.group.SEQUENCE, expert.severity.WARN),
    have_again = ProtoExpert.new(name .. ".have_again", "HAVE for a piece it said before", expert.group.SEQUENCE, expert.severity.WARN),
    unasked = ProtoExpert.new(name .. ".unasked", "an answer to nothing that was asked here", expert.group.SEQUENCE, expert.severity.NOTE),
    cut = ProtoExpert.new(name .. ".cut", "the capture does not have all bytes", expert.group.UNDECODED, expert.severity.NOTE),
  }
  p.e = e
  local experts = {}
  for _, one in pairs(e) do experts[#experts + 1] = one end
  proto.experts = experts
  return p
end

local peer = make("swarmlet", "swarmlet, between peers", PEER, "SWP1")
local tracker = make("swarmlet_tracker", "swarmlet, between a peer and a tracker", TRACKER, "SWT1")

-- Is there only when a tree is made, which need not be so when a packet is first seen.
local tcp_ack = Field.new("tcp.ack")

---------------------------------------------------------------------------------------------------
-- What conversations have said. `facts` are of one message, by packet and place.

local talks, facts = {}, {}

local function forget()
  talks, facts = {}, {}
end
peer.proto.init = forget

-- The conversation of a packet; `is_new` begins another between the same two ports.
local function talk_of(pinfo, transport, is_new)
  local here = tostring(pinfo.src) .. ":" .. pinfo.src_port
  local there = tostring(pinfo.dst) .. ":" .. pinfo.dst_port
  local key = transport .. (here < there and here .. there or there .. here)
  local talk = talks[key]
  if not talk or is_new then
    talk = { sides = {}, waiting = {} }
    talks[key] = talk
  end
  return talk
end

local function side_of(talk, pinfo)
  local name = tostring(pinfo.src) .. ":" .. pinfo.src_port
  local side = talk.sides[name]
  if not side then
    side = { chokes = true, haves = {}, gets = {}, bytes = 0 }
    talk.sides[name] = side
    for _, other in pairs(talk.sides) do
      if other ~= side then side.other, other.other = other, side end
    end
  end
  return side
end

-- A question waits for its answer under a key.
local function ask(talk, key, fact)
  talk.waiting[key] = talk.waiting[key] or {}
  table.insert(talk.waiting[key], fact)
end

-- An answer finds its question: the first that waits under the key.
local function answer(talk, key, fact, is_last)
  local waiting = talk.waiting[key]
  local question = waiting and waiting[1]
  if not question then
    fact.is_unasked = true
    return
  end
  fact.request, fact.since = question.number, fact.time - question.time
  question.response = question.response or fact.number
  question.last_response = fact.number
  question.took = question.took or fact.since
  if is_last then
    table.remove(waiting, 1)
    if #waiting == 0 then talk.waiting[key] = nil end
  end
end

local function bit_of(bits, index)
  local byte = bits:byte(math.floor(index / 8) + 1) or 0
  return math.floor(byte / 2 ^ (7 - index % 8)) % 2 == 1
end

-- Whether a side has said that it has a piece, and where.
local function has_said(side, piece)
  if side.haves[piece] then return side.haves[piece] end
  if side.all then return side.all end
  for _, part in ipairs(side.bitfields or {}) do
    if piece >= part.first and piece < part.first + 8 * #part.bits and bit_of(part.bits, piece - part.first) then
      return part.number
    end
  end
end

-- Bytes of a piece come: which GET asked for them?
local function on_chunk(side, fact, piece, offset, length)
  local gets = side.other and side.other.gets[piece] or {}
  for index, get in ipairs(gets) do
    if offset >= get.offset and offset < get.offset + get.length then
      fact.request, fact.since = get.fact.number, fact.time - get.fact.time
      get.fact.response = get.fact.response or fact.number
      get.fact.last_response = fact.number
      get.fact.took = get.fact.took or fact.since
      if offset + length >= get.offset + get.length then table.remove(gets, index) end
      return
    end
  end
  fact.is_unasked = true
end

local function on_reject(side, fact, v)
  local gets = side.other and side.other.gets[v.piece] or {}
  for index, get in ipairs(gets) do
    if get.offset == v.offset and get.length == v.length then
      fact.request, fact.since = get.fact.number, fact.time - get.fact.time
      get.fact.response, get.fact.took = fact.number, fact.since
      table.remove(gets, index)
      return
    end
  end
end

local function on_get(side, fact, v)
  local other = side.other
  if not other or other.chokes then
    -- Who cannot have heard of the CHOKE yet does nothing wrong: where it ends is compared with
    -- what was acknowledged, when that is known.
    fact.is_choked, fact.choke_ends = true, other and other.choke_ends
  end
  side.gets[v.piece] = side.gets[v.piece] or {}
  table.insert(side.gets[v.piece], { offset = v.offset, length = v.length, fact = fact })
end

local function on_have(side, fact, piece)
  fact.said_before = has_said(side, piece)
  side.haves[piece] = side.haves[piece] or fact.number
end

-- What a peer's message means for those that follow. `v` are its fields.
local PEER_SAYS = {
  HELLO = function(talk, _, fact) ask(talk, "HELLO", fact) end,
  STATE = function(talk, _, fact) answer(talk, "HELLO", fact, true) end,
  GET_COUNT = function(talk, side, fact) ask(talk, side.name .. "GET_COUNT", fact) end,
  CHUNK_COUNT = function(talk, side, fact) answer(talk, side.other_name .. "GET_COUNT", fact, true) end,
  GET_METAINFO = function(talk, side, fact, v) ask(talk, side.name .. "GET_METAINFO" .. v.offset, fact) end,
  METAINFO = function(talk, side, fact, v) answer(talk, side.other_name .. "GET_METAINFO" .. v.offset, fact, true) end,
  GET_HASHES = function(talk, side, fact, v) ask(talk, side.name .. "HASHES" .. v.root .. v.index .. "+" .. v.count, fact) end,
  HASHES = function(talk, side, fact, v) answer(talk, side.other_name .. "HASHES" .. v.root .. v.index .. "+" .. v.count, fact, true) end,
  PEERS = function(talk, side, fact) ask(talk, side.name .. "PEERS", fact) end,
  PEER_LIST = function(talk, side, fact) answer(talk, side.other_name .. "PEERS", fact, true) end,
  PING = function(talk, side, fact, v) ask(talk, side.name .. "PING" .. v.number_key, fact) end,
  PONG = function(talk, side, fact, v) answer(talk, side.other_name .. "PING" .. v.number_key, fact, true) end,
  GET = function(_, side, fact, v) on_get(side, fact, v) end,
  CHUNK_DATA = function(_, side, fact, v) on_chunk(side, fact, v.piece, v.offset, v.length) end,
  REJECT = function(_, side, fact, v) on_reject(side, fact, v) end,
  CANCEL = function(_, side, fact, v)
    for _, get in ipairs(side.gets[v.piece] or {}) do
      if get.offset == v.offset and get.length == v.length then fact.said = get.fact.number end
    end
  end,
  CHOKE = function(_, side, fact)
    side.chokes, side.choke_ends = true, fact.ends
  end,
  UNCHOKE = function(_, side)
    -- What was asked before a CHOKE and has not come is void.
    if side.choke_ends and side.other then side.other.gets = {} end
    side.chokes, side.choke_ends = false, nil
  end,
  HAVE = function(_, side, fact, v) on_have(side, fact, v.piece) end,
  HAVE_ALL = function(_, side, fact) side.all = fact.number end,
  BITFIELD = function(_, side, fact, v, body)
    side.bitfields = side.bitfields or {}
    table.insert(side.bitfields, { first = v.first, bits = body, number = fact.number })
  end,
  BYE = function(_, side, fact) side.bye = side.bye or fact.number end,
}

-- What a peer's message means. The side that speaks first is "a": its questions are kept apart.
local function learn_peer(talk, side, fact, word, v, body)
  talk.first = talk.first or side
  local is_first = talk.first == side
  side.name, side.other_name = is_first and "a" or "b", is_first and "b" or "a"
  if side.bye then fact.after_bye = side.bye end
  local says = PEER_SAYS[word]
  if says then says(talk, side, fact, v, body) end
end

local ANSWERS = { COOKIE = true, CHUNK_COUNT = true, ACK = true, ERROR = true, PEER_LIST = true, LISTING = true, TORRENT = true }
local UNANSWERED = { SYNC = true, LINKS = true }

local function learn_tracker(talk, fact, word, v, transport, body)
  if word == "QUERY" then
    ask(talk, "id" .. v.id_key, fact)
  elseif word == "ANSWER" then
    answer(talk, "id" .. v.id_key, fact, true)
  elseif ANSWERS[word] then
    local is_last = word ~= "TORRENT" or v.offset + #body >= v.total
    answer(talk, transport == "udp" and "seq" .. tostring(v.seq) or "next", fact, is_last)
  elseif not UNANSWERED[word] and not (word == "PUBLISH" and v.offset > 0) then
    ask(talk, transport == "udp" and "seq" .. tostring(v.seq) or "next", fact)
  end
end

---------------------------------------------------------------------------------------------------
-- Items of the tree.

local function complain(p, tree, which, text)
  tree:add_proto_expert_info(p.e[which], text or p.e[which].text)
end

local function is_of_length(field, value)
  local lengths = LENGTHS[field]
  if not lengths then return true end
  for _, length in ipairs(lengths) do
    if #value == length then return true end
  end
  return false
end

-- Shows one field of a header; false and why if it is wrong.
local function put_field(p, tree, head, name, value)
  local kind = TYPE_OF[name]
  local whole = head(value.at - 1, value.len)
  if kind == "uint32" or kind == "uint8" then
    if value.kind ~= "uint" or value.v > 4294967295 or (kind == "uint8" and value.v > 255) then return false end
    tree:add(p.f[name], whole, value.v)
  elseif kind == "uint64" then
    if value.kind ~= "uint" then return false end
    tree:add(p.f[name], head(value.from - 1, value.size))
  elseif kind == "bool" then
    if value.kind ~= "bool" then return false end
    tree:add(p.f[name], whole, value.v)
  elseif kind == "str" then
    if value.kind ~= "str" then return false end
    tree:add(p.f[name], whole, plain(value.v, 1000))
  elseif kind == "bin" then
    if value.kind ~= "bin" or not is_of_length(name, value.v) then return false end
    if value.size > 0 then
      local item = tree:add(p.f[name], head(value.from - 1, value.size))
      if name == "peer_id" then item:append_text(" (" .. plain(value.v, 20) .. ")") end
    end
  else
    if value.kind ~= "array" then return false end
    local item = tree:add(p.f[name], whole)
    item:set_text(name .. ": " .. #value)
    for index, element in ipairs(value) do
      if index > MOST_SHOWN then break end
      local text = shown(element)
      if element.kind == "map" then
        local parts = {}
        for _, part in ipairs(element) do parts[#parts + 1] = shown(part.key) .. " " .. shown(part) end
        text = table.concat(parts, ", ")
      end
      item:add(p.f.entry, head(element.at - 1, element.len), plain(text, 200))
    end
  end
  return true
end

-- Shows the fields of a header; its values, or nil if one is wrong or missing.
local function put_header(p, tree, head, map, message)
  local values, is_right = {}, true
  for _, value in ipairs(map) do
    local name = value.key.kind == "str" and value.key.v or nil
    if name and message.has[name] and values[name] == nil then
      if put_field(p, tree, head, name, value) then
        values[name] = value.v == nil and true or value.v
        if TYPE_OF[name] == "uint64" then values[name .. "_key"] = string.format("%.0f", value.v) end
      else
        is_right = false
        local item = tree:add(p.proto, head(value.at - 1, value.len), name .. ": " .. shown(value))
        complain(p, item, "malformed", name .. " is not what it should be")
      end
    else
      local key = shown(value.key)
      local item = tree:add(p.proto, head(value.at - 1, value.len), key .. ": " .. shown(value))
      complain(p, item, "unknown_field", "field " .. key .. " is not known and is passed over")
    end
  end
  for field, optional in message[2]:gmatch("([%w_]+)(%??)") do
    if values[field] == nil and optional == "" then
      is_right = false
      complain(p, tree, "malformed", "field " .. field .. " is missing")
    end
  end
  return is_right and values or nil
end

local function ip_of(bytes)
  if #bytes == 4 then return string.format("%d.%d.%d.%d", bytes:byte(1, 4)) end
  local groups = {}
  for at = 1, 15, 2 do groups[#groups + 1] = string.format("%x", number_of(bytes, at, 2)) end
  return "[" .. table.concat(groups, ":") .. "]"
end

local IP_LENGTH = { [4] = 4, [6] = 16 }

-- Readers of one entry of a body: text, and how many bytes; nil if it is none.
local ENTRIES = {
  addresses = function(text, at)
    local ip = IP_LENGTH[text:byte(at)]
    if not ip or at + ip + 2 > #text then return nil end
    return ip_of(text:sub(at + 1, at + ip)) .. ":" .. number_of(text, at + 1 + ip, 2), ip + 3
  end,
  peers = function(text, at)
    local ip = IP_LENGTH[text:byte(at)]
    if not ip or at + ip + 3 > #text then return nil end
    local flags, words = text:byte(at + 1), {}
    if flags % 2 == 1 then words[#words + 1] = "seeder" end
    if math.floor(flags / 2) % 2 == 1 then words[#words + 1] = "native" end
    if math.floor(flags / 4) % 2 == 1 then words[#words + 1] = "BitTorrent" end
    local where = ip_of(text:sub(at + 4, at + 3 + ip)) .. ":" .. number_of(text, at + 2, 2)
    return where .. (#words > 0 and " (" .. table.concat(words, ", ") .. ")" or ""), ip + 4
  end,
  links = function(text, at)
    local ip = IP_LENGTH[text:byte(at)]
    if not ip or at + ip + 7 > #text then return nil end
    local where = ip_of(text:sub(at + 4, at + 3 + ip)) .. ":" .. number_of(text, at + 2, 2)
    local standing = STANDINGS[text:byte(at + 1)] or "?"
    return string.format("%s %s, %.0f B/s", where, standing, number_of(text, at + 4 + ip, 4)), ip + 8
  end,
  beats = function(text, at)
    if at + 36 > #text then return nil end
    local new = text:byte(at + 36)
    if at + 36 + 4 * new > #text then return nil end
    local hash = hex(text:sub(at, at + 3))
    local left, down, up = number_of(text, at + 20, 8), number_of(text, at + 28, 4), number_of(text, at + 32, 4)
    return string.format("%s.. %.0f left, %.0f B/s down, %.0f B/s up, %d new", hash, left, down, up, new), 37 + 4 * new
  end,
  contents = function(text, at)
    local flags = text:byte(at)
    local v1 = flags % 2 == 1 and 20 or 0
    local fixed = 1 + 32 + v1 + 8 + 4 + 4 + 4 + 2
    if at + fixed - 1 > #text then return nil end
    local name = number_of(text, at + fixed - 2, 2)
    if at + fixed + name - 1 > #text then return nil end
    local size = number_of(text, at + 33 + v1, 8)
    return string.format('"%s", %.0f bytes', plain(text:sub(at + fixed, at + fixed + name - 1), 80), size), fixed + name
  end,
  hashes = function(text, at)
    if at + 31 > #text then return nil end
    return hex(text:sub(at, at + 31)), 32
  end,
}

-- What the records of an ANSWER are goes by what was asked.
local RECORDS = { [1] = "peers", [2] = "contents", [3] = "contents" }

local function put_entries(p, tree, range, text, kind)
  local read, at, count = ENTRIES[kind], 1, 0
  while at <= #text do
    local shown_text, length = read(text, at)
    if not shown_text then
      complain(p, tree, "malformed", "an entry of the body is cut off or of no family")
      return count
    end
    count = count + 1
    if count <= MOST_SHOWN then tree:add(p.f.entry, range(at - 1, length), shown_text) end
    at = at + length
  end
  return count
end

local function put_body(p, tree, range, text, message, v)
  local kind = message[3]
  if kind == "" then
    complain(p, tree, "malformed", "it has a body of " .. #text .. " bytes, and should have none")
    return false
  end
  local item = tree:add(p.f.body, range)
  if kind == "records" then kind = v and RECORDS[v.op] or "bytes" end
  if v and message[1] == "CHUNK_DATA" and v.length ~= #text then
    complain(p, item, "malformed", "the body has " .. #text .. " bytes, and length says " .. v.length)
    return false
  end
  if v and kind == "hashes" and (#text % 32 ~= 0 or #text < 32 * v.count) then
    complain(p, item, "malformed", #text .. " bytes are not " .. v.count .. " hashes")
    return false
  end
  if ENTRIES[kind] then
    item:append_text(" (" .. put_entries(p, item, range, text, kind) .. " entries)")
  end
  return true
end

-- What stands in the column: the name, and what tells it apart.
local function summary(word, v, body_length)
  if not v then return word end
  if v.piece and v.offset then return string.format("%s %d @%d +%d", word, v.piece, v.offset, v.length or 0) end
  if v.piece then return word .. " " .. v.piece end
  if word == "STATE" then return word .. " " .. plain(v.state, 12) end
  if word == "ERROR" then return word .. " " .. v.code .. " " .. plain(v.message, 60) end
  if word == "QUERY" then return word .. " " .. (OPS[v.op] or v.op) .. " " .. plain(v.key, 10) .. (v.rd and " rd" or "") end
  if word == "ANSWER" then return word .. " " .. (RCODES[v.rcode] or v.rcode) .. (v.aa and " aa" or "") end
  if v.name then return word .. ' "' .. plain(v.name, 40) .. '"' end
  if word == "BITFIELD" then return word .. " of " .. body_length .. " B" end
  if v.count then return word .. " " .. v.count end
  return word
end

local function put_links(p, tree, range, fact)
  local function add(field, value)
    if value then tree:add(p.f[field], range, value):set_generated() end
  end
  add("request_in", fact.request)
  add("response_in", fact.response)
  if fact.last_response ~= fact.response then add("last_response_in", fact.last_response) end
  local time = fact.since or (fact.response and fact.took)
  if time and time >= 0 then
    local secs = math.floor(time)
    tree:add(p.f.time, range, NSTime.new(secs, math.floor((time - secs) * 1e9 + 0.5))):set_generated()
  end
  if fact.is_choked then
    local ack = fact.choke_ends and tcp_ack()
    if ack and ack.value < 1 + fact.choke_ends then
      complain(p, tree, "crossed", "GET that crossed a CHOKE on its way")
    else
      complain(p, tree, "choked", "GET sent while choked")
    end
  end
  if fact.after_bye then
    complain(p, tree, "after_bye", "message after BYE, which it said in packet " .. fact.after_bye)
    add("said_in", fact.after_bye)
  end
  if fact.said_before then
    complain(p, tree, "have_again", "HAVE for a piece it said before, in packet " .. fact.said_before)
    add("said_in", fact.said_before)
  end
  add("said_in", fact.said)
  if fact.is_unasked then complain(p, tree, "unasked", "an answer to nothing that was asked here") end
end

local info_of = ""

-- Adds to the Info column, behind what this packet has said already.
local function say_info(pinfo, text)
  local key = pinfo.number .. tostring(pinfo.visited)
  pinfo.cols.info:append((info_of == key and ", " or "") .. text)
  info_of = key
end

-- One message: `range` is type, header and body. Returns nothing; whatever is wrong becomes an item.
local function one_message(p, pinfo, tree, tvb, at, length, transport)
  local range = tvb(at, length)
  local kind = range(0, 1):uint()
  local message = p.messages[kind]
  local class = math.floor(kind / 16)
  local word = message and message[1] or string.format("type 0x%02x", kind)
  tree:append_text(", " .. word)
  tree:add(p.f.type, range(0, 1))
  tree:add(p.f.class, range(0, 1), class):set_generated()
  if not CLASSES[class] then
    complain(p, tree, "malformed", string.format("type 0x%02x is of no class", kind))
    return say_info(pinfo, "[" .. word .. "]")
  end
  local text = length > 1 and tvb:raw(at + 1, math.min(length - 1, MOST_HEAD - 1)) or ""
  local map, next = unpack_value(text, 1, 0)
  if map and map.kind ~= "map" then map, next = nil, "the header is no map" end
  if not map then
    complain(p, tree, "malformed", next)
    return say_info(pinfo, "[malformed " .. word .. "]")
  end
  local body_length = length - 1 - (next - 1)
  local head_tree = tree:add(p.proto, range(1, next - 1), "Header: " .. #map .. " fields")
  local head = range(1, next - 1)
  tree:add(p.f.body_length, range(0, 1), body_length):set_generated()
  if not message then
    complain(p, tree, "unknown_type", string.format("unknown type 0x%02x in class %s", kind, CLASSES[class]))
    return say_info(pinfo, "[" .. word .. "]")
  end
  local values = put_header(p, head_tree, head, map, message)
  local body, is_right = "", true
  if body_length > MOST_BODY then
    complain(p, tree, "malformed", "the body is longer than " .. MOST_BODY)
    is_right = false
  elseif body_length > 0 then
    body = tvb:raw(at + next, body_length)
    is_right = put_body(p, tree, tvb(at + next, body_length), body, message, values)
  elseif message[3] == "hashes" or message[1] == "CHUNK_DATA" then
    complain(p, tree, "malformed", "it has no body")
    is_right = false
  end
  if not values or not is_right then return say_info(pinfo, "[malformed " .. word .. "]") end
  local key = pinfo.number .. ":" .. tvb:len() .. ":" .. at .. ":" .. text:sub(1, 64)
  if not pinfo.visited and not facts[key] then
    local fact = { number = pinfo.number, time = pinfo.rel_ts }
    facts[key] = fact
    local talk = talk_of(pinfo, transport)
    if p == peer then
      local side = side_of(talk, pinfo)
      fact.ends = side.bytes + 4 + length
      learn_peer(talk, side, fact, word, values, body)
    else
      learn_tracker(talk, fact, word, values, transport, body)
    end
  end
  if facts[key] then put_links(p, tree, range, facts[key]) end
  say_info(pinfo, summary(word, values, body_length))
end

---------------------------------------------------------------------------------------------------
-- Streams and datagrams.

local function begin(p, pinfo, tvb, root)
  pinfo.cols.protocol = p == peer and "SWP" or "SWT"
  pinfo.cols.info:clear()
  return root:add(p.proto, tvb())
end

-- Frames of a stream, several of a segment, one of several segments.
local function stream(p, tvb, pinfo, root)
  local length, at = tvb:len(), 0
  if length == 0 then return 0 end
  local tree = begin(p, pinfo, tvb, root)
  local can_wait = pinfo.can_desegment > 0 and tvb:reported_len() == length
  local function wait(more)
    if can_wait then
      pinfo.desegment_offset, pinfo.desegment_len = at, more
    else
      complain(p, tree, "cut", "the capture does not have all bytes")
    end
  end
  -- How far a side's bytes go, when they are first seen; what begins anew is another conversation.
  local function count(bytes, is_magic)
    if pinfo.visited then return end
    local side = side_of(talk_of(pinfo, "tcp"), pinfo)
    if is_magic and side.bytes > 0 then side = side_of(talk_of(pinfo, "tcp", true), pinfo) end
    side.bytes = side.bytes + bytes
  end
  while at < length do
    if length - at < 4 then
      wait(DESEGMENT_ONE_MORE_SEGMENT)
      break
    end
    local total = tvb(at, 4):uint()
    if total == p.magic_number then
      tree:add(p.f.magic, tvb(at, 4), p.magic)
      count(4, true)
      say_info(pinfo, p.magic)
      at = at + 4
    elseif total == 0 or total > MOST_FRAME then
      complain(p, tree, "malformed", "a frame of " .. total .. " bytes: expected 1 to " .. MOST_FRAME)
      say_info(pinfo, "[malformed]")
      break
    elseif length - at < 4 + total then
      wait(4 + total - (length - at))
      break
    else
      local item = tree:add(p.proto, tvb(at, 4 + total), "Frame")
      item:add(p.f.frame_length, tvb(at, 4))
      one_message(p, pinfo, item, tvb, at + 4, total, "tcp")
      count(4 + total)
      at = at + 4 + total
    end
  end
  pinfo.cols.info:fence()
  return length
end

local function datagram(p, tvb, pinfo, root)
  local length = tvb:len()
  if length < 5 or tvb:raw(0, 4) ~= p.magic then return 0 end
  local tree = begin(p, pinfo, tvb, root)
  tree:add(p.f.magic, tvb(0, 4), p.magic)
  if length > MOST_DATAGRAM then
    complain(p, tree, "malformed", "a datagram of " .. length .. " bytes: expected at most " .. MOST_DATAGRAM)
  end
  one_message(p, pinfo, tree, tvb, 4, length - 4, "udp")
  pinfo.cols.info:fence()
  return length
end

function peer.proto.dissector(tvb, pinfo, root)
  return stream(peer, tvb, pinfo, root)
end

function tracker.proto.dissector(tvb, pinfo, root)
  if pinfo.port_type == 3 then return datagram(tracker, tvb, pinfo, root) end
  return stream(tracker, tvb, pinfo, root)
end

-- Whether a stream begins here; from then on the conversation is ours.
local function begins(p)
  return function(tvb, pinfo, root)
    if tvb:len() < 4 or tvb:raw(0, 4) ~= p.magic then return false end
    pinfo.conversation = p.proto
    stream(p, tvb, pinfo, root)
    return true
  end
end

peer.proto:register_heuristic("tcp", begins(peer))
tracker.proto:register_heuristic("tcp", begins(tracker))
tracker.proto:register_heuristic("udp", function(tvb, pinfo, root)
  return datagram(tracker, tvb, pinfo, root) > 0
end)
DissectorTable.get("tcp.port"):add_for_decode_as(peer.proto)
DissectorTable.get("tcp.port"):add_for_decode_as(tracker.proto)
DissectorTable.get("udp.port"):add_for_decode_as(tracker.proto)

-- Wireshark gives the ports of BitTorrent to its own dissector before it asks for magic, and our
-- peers listen on them: whoever stands there now looks at the magic first.
local usual = Dissector.get("bittorrent.tcp")
if usual then
  local chooser = Proto("swarmlet_or_bittorrent", "swarmlet or BitTorrent")
  local is_peer, is_tracker = begins(peer), begins(tracker)
  function chooser.dissector(tvb, pinfo, root)
    if is_peer(tvb, pinfo, root) or is_tracker(tvb, pinfo, root) then return tvb:len() end
    -- Each dissector on the way takes one from this; none may put segments together at zero.
    pinfo.can_desegment = pinfo.can_desegment + 1
    return usual:call(tvb, pinfo, root)
  end
  for port = 6881, 6889 do DissectorTable.get("tcp.port"):add(port, chooser) end
end
