// TransactionData
