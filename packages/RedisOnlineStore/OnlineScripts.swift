/// The compare-and-set rules, carried out inside Redis. Positions are 16 bytes, (generation, offset), big-endian, compared as
/// four numbers of 32 bits: Lua's numbers are doubles, and its string order follows the server's locale.
///
/// What is stored is not trusted. A key of another type, a value too short to be ours, a watermark with a wrong checksum or a
/// position that no rebuild can have reached is damage: it is written over, as if it were not there. `SET` replaces a value of any type.
/// See docs/design.md, Formats.
enum OnlineScript: CaseIterable {
    /// KEYS[1] blob, ARGV[1] new blob. 1 written, 2 the same position is there, 0 a newer one is.
    case blob
    /// KEYS[1] watermark, ARGV[1] expected, ARGV[2] new. 1 written, 2 the new one is there already, 0 another one is.
    case watermark
    /// KEYS[1] watermark, ARGV[1] new, of a new generation. 1 written, 0 there is one of this generation or a later one.
    case plant
    /// KEYS[1] blob, ARGV[1] what was read there and does not decode. 1 removed, 0 something else is there now.
    case discard
    /// KEYS[1] watermark, KEYS[2] filter, ARGV[1] expected watermark, ARGV[2] new filter. 1 written, 0 another watermark is there.
    case replaceKnown
    /// KEYS[1] filter, ARGV[1] its size, then bits to set. 1 set, 0 it is not there in this size.
    case addKnown

    var source: String {
        switch self {
        case .blob:
            // 37 bytes are a blob's header; 2^29 in a generation's upper half is more than Watermark.generation(above:) gives.
            """
            local stored = redis.pcall('GETRANGE', KEYS[1], 0, 36)
            if type(stored) == 'string' and #stored == 37 then
                local mine = {struct.unpack('>I4I4I4I4', stored)}
                if mine[1] < 0x20000000 and mine[3] < 0x40000000 then
                    local offer = {struct.unpack('>I4I4I4I4', ARGV[1])}
                    local order = 0
                    for i = 1, 4 do
                        if order == 0 and offer[i] ~= mine[i] then order = offer[i] > mine[i] and 1 or -1 end
                    end
                    if order == 0 then return 2 end
                    if order < 0 then return 0 end
                end
            end
            redis.call('SET', KEYS[1], ARGV[1])
            return 1
            """
        case .watermark:
            """
            local stored = redis.pcall('GET', KEYS[1])
            if stored == ARGV[2] then return 2 end
            if stored ~= ARGV[1] then return 0 end
            redis.call('SET', KEYS[1], ARGV[2])
            return 1
            """
        case .plant:
            // A damaged generation must not refuse the rebuild for ever. Rare enough for a checksum bit by bit.
            """
            local function intact(value)
                local crc = bit.tobit(0xFFFFFFFF)
                for i = 1, 32 do
                    crc = bit.bxor(crc, value:byte(i))
                    for _ = 1, 8 do
                        local low = bit.band(crc, 1)
                        crc = bit.rshift(crc, 1)
                        if low == 1 then crc = bit.bxor(crc, 0x82F63B78) end
                    end
                end
                local sum = struct.unpack('>I4', value, 33)
                return bit.bnot(crc) == bit.tobit(sum)
            end
            local stored = redis.pcall('GET', KEYS[1])
            if type(stored) == 'string' and #stored == 36 and intact(stored) then
                local mine = {struct.unpack('>I4I4I4I4I4I4', stored)}
                if mine[1] < 0x20000000 and mine[3] < 0x40000000 and mine[5] < 0x40000000 then
                    local offer = {struct.unpack('>I4I4', ARGV[1])}
                    if offer[1] < mine[1] or (offer[1] == mine[1] and offer[2] <= mine[2]) then return 0 end
                end
            end
            redis.call('SET', KEYS[1], ARGV[1])
            return 1
            """
        case .discard:
            """
            local stored = redis.pcall('GET', KEYS[1])
            if type(stored) == 'string' and stored ~= ARGV[1] then return 0 end
            redis.call('DEL', KEYS[1])
            return 1
            """
        case .replaceKnown:
            """
            if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
            redis.call('SET', KEYS[2], ARGV[2])
            return 1
            """
        case .addKnown:
            """
            if redis.pcall('STRLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
            for i = 2, #ARGV do redis.call('SETBIT', KEYS[1], ARGV[i], 1) end
            return 1
            """
        }
    }
}
