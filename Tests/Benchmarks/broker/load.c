// A client for measuring a broker, as lean as librdkafka allows.
//
//   load produce SERVERS TOPIC RECORDS BYTES [name=value...]   MB/s with every record acknowledged
//   load consume SERVERS TOPIC [name=value...]                 MB/s from the start to the end
//   load latency SERVERS TOPIC RECORDS BYTES PER_SECOND        ms from sending to receiving, p50 and p99
//
// Prints one line of JSON.
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long acknowledged, failed;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client, (void)opaque;
    if (message->err) failed++;
    else acknowledged++;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[200];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error)) fail(error);
}

static void set_all(rd_kafka_conf_t *conf, char **pairs) {
    for (; *pairs; pairs++) {
        char *equals = strchr(*pairs, '=');
        if (!equals) fail("settings are name=value");
        *equals = 0;
        set(conf, *pairs, equals + 1);
    }
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char error[200];
    rd_kafka_t *made = rd_kafka_new(type, conf, error, sizeof error);
    if (!made) fail(error);
    return made;
}

static rd_kafka_t *producer(const char *servers, const char *linger, char **pairs) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", servers);
    set(conf, "queue.buffering.max.messages", "500000");
    set(conf, "queue.buffering.max.kbytes", "1000000");
    set(conf, "linger.ms", linger);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    set_all(conf, pairs);
    return client(RD_KAFKA_PRODUCER, conf);
}

// Assigns every partition of the topic; how many there are.
static int assign(rd_kafka_t *consumer, const char *name, int64_t offset) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, name, NULL);
    if (rd_kafka_metadata(consumer, 0, topic, &metadata, 10000)) fail("no metadata");
    int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++) rd_kafka_topic_partition_list_add(list, name, i)->offset = offset;
    if (rd_kafka_assign(consumer, list)) fail("assign");
    return partitions;
}

static rd_kafka_t *consumer(const char *servers, char **pairs) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", servers);
    set(conf, "group.id", "load");
    set(conf, "enable.partition.eof", "true");
    set(conf, "enable.auto.commit", "false");
    set(conf, "queued.max.messages.kbytes", "200000");
    set_all(conf, pairs);
    return client(RD_KAFKA_CONSUMER, conf);
}

static int produce(char **arguments) {
    long count = atol(arguments[2]), size = atol(arguments[3]);
    rd_kafka_t *client = producer(arguments[0], "50", arguments + 4);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, arguments[1], NULL);
    char *value = malloc(size);
    for (long i = 0; i < size; i++) value[i] = rand();
    double start = now();
    for (long i = 0; i < count; i++) {
        while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, size, NULL, 0, NULL) == -1)
            rd_kafka_poll(client, 10);
        if (i % 1000 == 0) rd_kafka_poll(client, 0);
    }
    while (rd_kafka_outq_len(client) > 0) rd_kafka_poll(client, 100);
    double seconds = now() - start;
    printf("{\"acknowledged\": %ld, \"failed\": %ld, \"seconds\": %.3f, \"mb_per_s\": %.1f}\n", acknowledged, failed,
           seconds, acknowledged * (double)size / seconds / 1e6);
    return failed > 0;
}

static int consume(char **arguments) {
    rd_kafka_t *client = consumer(arguments[0], arguments + 2);
    double start = now();
    int partitions = assign(client, arguments[1], RD_KAFKA_OFFSET_BEGINNING), ends = 0;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    rd_kafka_message_t *messages[1000];
    long records = 0, bytes = 0;
    while (ends < partitions) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 1000, messages, 1000);
        for (ssize_t i = 0; i < count; i++) {
            if (messages[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) ends++;
            else if (messages[i]->err) fail(rd_kafka_message_errstr(messages[i]));
            else records++, bytes += messages[i]->len;
            rd_kafka_message_destroy(messages[i]);
        }
    }
    double seconds = now() - start;
    printf("{\"records\": %ld, \"seconds\": %.3f, \"mb_per_s\": %.1f}\n", records, seconds, bytes / seconds / 1e6);
    return 0;
}

static int ascending(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

static int latency(char **arguments) {
    long count = atol(arguments[2]), size = atol(arguments[3]);
    double per_second = atof(arguments[4]);
    if (size < (long)sizeof(double)) fail("too few bytes for a time");
    char *none[] = {NULL};
    char *eager[] = {strdup("fetch.wait.max.ms=100"), NULL};
    rd_kafka_t *source = producer(arguments[0], "0", none), *sink = consumer(arguments[0], eager);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(source, arguments[1], NULL);
    assign(sink, arguments[1], RD_KAFKA_OFFSET_END);
    for (double until = now() + 1; now() < until;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(sink, 50);
        if (message) rd_kafka_message_destroy(message);
    }
    double *took = malloc(count * sizeof(double)), start = now();
    char *value = calloc(1, size);
    long sent = 0, received = 0;
    while (received < count && now() - start < count / per_second + 30) {
        while (sent < count && now() >= start + sent / per_second) {
            double time = now();
            memcpy(value, &time, sizeof time);
            while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, size, NULL, 0, NULL) == -1)
                rd_kafka_poll(source, 1);
            sent++;
        }
        rd_kafka_poll(source, 0);
        rd_kafka_message_t *message = rd_kafka_consumer_poll(sink, 0);
        if (message) {
            double time;
            if (!message->err && message->len == (size_t)size) {
                memcpy(&time, message->payload, sizeof time);
                took[received++] = (now() - time) * 1e3;
            }
            rd_kafka_message_destroy(message);
        } else {
            usleep(50);
        }
    }
    if (received < count) fail("records are missing");
    qsort(took, count, sizeof(double), ascending);
    printf("{\"records\": %ld, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}\n", count, took[count / 2],
           took[count * 99 / 100], took[count - 1]);
    return 0;
}

int main(int count, char **arguments) {
    int code = 64;
    if (count >= 6 && !strcmp(arguments[1], "produce")) code = produce(arguments + 2);
    else if (count >= 4 && !strcmp(arguments[1], "consume")) code = consume(arguments + 2);
    else if (count >= 7 && !strcmp(arguments[1], "latency")) code = latency(arguments + 2);
    else fprintf(stderr, "usage: load produce|consume|latency SERVERS TOPIC ...\n");
    fflush(stdout);
    _exit(code);  // Nothing is left to be sent, and closing the clients would only take time.
}
