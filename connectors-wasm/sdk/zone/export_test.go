package zone

var Names = []map[string]string{rails, windows}
