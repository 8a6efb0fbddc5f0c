// needletail
