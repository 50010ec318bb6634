package kafka

// lockName is the file in a broker's directory whose lock says that it is in use.
const lockName = "assay.lock"

func verify(string) error { return nil }
