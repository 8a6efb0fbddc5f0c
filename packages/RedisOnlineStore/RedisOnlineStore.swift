// RedisOnlineStore
