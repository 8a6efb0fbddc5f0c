// TransactionDataTests
