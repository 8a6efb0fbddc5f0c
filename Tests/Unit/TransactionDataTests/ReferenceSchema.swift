import Compression
import FeatureEngine
import TransactionData

/// The reference layout as a source.
enum Reference {
    static func schema(timeFormat: String = "yyyy-MM-dd HH:mm:ss", eventTime: String = "trans_date_trans_time")
        -> SourceSchema
    {
        let fields = [
            Field("trans_date_trans_time", .string), Field("cc_num", .string), Field("merchant", .string),
            Field("category", .string), Field("amt", .decimal(places: 2)), Field("first", .string),
            Field("last", .string), Field("gender", .string), Field("street", .string), Field("city", .string),
            Field("state", .string), Field("zip", .string), Field("lat", .double), Field("long", .double),
            Field("city_pop", .integer), Field("job", .string), Field("dob", .string), Field("trans_num", .string),
            Field("unix_time", .integer), Field("merch_lat", .double), Field("merch_long", .double),
        ]
        guard let format = EventTimeFormat(timeFormat), let time = fields.firstIndex(where: { $0.name == eventTime })
        else {
            fatalError("unknown time format or field")
        }
        return SourceSchema(
            name: "transactions", topic: "transactions", fields: fields, eventIDIndex: 17, eventTimeIndex: time,
            eventTimeFormat: format, keyIndex: 1,
            label: LabelDefinition(field: "is_fraud", topic: "labels", delayMillis: 7 * 86_400_000))
    }

    static let header =
        ",trans_date_trans_time,cc_num,merchant,category,amt,first,last,gender,street,city,state,zip,lat,long,city_pop,job,dob,trans_num,unix_time,merch_lat,merch_long,is_fraud"

    static func line(
        _ index: Int, time: String = "2019-01-01 00:00:00", card: String = "4992346398065154184",
        merchant: String = "fraud_A",
        amount: String = "10.00", id: String? = nil, label: String = "0"
    ) -> String {
        "\(index),\(time),\(card),\(merchant),grocery_pos,\(amount),A,B,F,1 Main St,Springfield,IL,02134,39.78,-89.65,1000,"
            + "\"Engineer, electrical\",1980-02-29,\(id ?? "id\(index)"),\(1_325_376_000 + index),39.9,-89.5,\(label)"
    }

    static func file(_ lines: [String]) -> String { ([header] + lines).map { $0 + "\n" }.joined() }

    static func csv(_ text: String, schema: SourceSchema = schema(), requiresLabel: Bool = false) throws
        -> TransactionCSV
    {
        try TransactionCSV(
            ByteSource(bytes: Array(text.utf8), name: "test.csv"), schema: schema, requiresLabel: requiresLabel)
    }

    static func outcomes(_ text: String, schema: SourceSchema = schema()) throws -> [TransactionCSV.Outcome] {
        let csv = try csv(text, schema: schema)
        var row = SourceRow(schema)
        var result: [TransactionCSV.Outcome] = []
        while case let outcome = try csv.next(into: &row), outcome != .end { result.append(outcome) }
        return result
    }
}
