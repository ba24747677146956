package connectortest

// SchemaFaults are what is wrong with a manifest by its schema, a sentence each.
func SchemaFaults(b []byte) ([]string, error) {
	faults, err := schemaFaults("a.json", b)
	var all []string
	for _, f := range faults {
		all = append(all, f.what)
	}
	return all, err
}

// ReadVectors reads a file of vectors, and all that a check does with them before anything runs.
func ReadVectors(path string) (cases int, err error) {
	all, err := readVectors(path)
	for _, v := range all {
		for _, c := range v.Cases {
			cases++
			c.glad()
			parseDoc(c.Input).bytes()
			for _, x := range c.Fetches {
				requestKey(x.Request.Method, x.Request.URL)
			}
		}
	}
	return cases, err
}
