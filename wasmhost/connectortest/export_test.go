package connectortest

// SchemaFaults returns the places where a manifest does not fit the schema.
func SchemaFaults(b []byte) ([]string, error) {
	faults, err := schemaFaults("a.json", b)
	var all []string
	for _, f := range faults {
		all = append(all, f.what)
	}
	return all, err
}

// ReadVectors reads a file of vectors, and decodes the cases as a check does.
func ReadVectors(path string) (cases int, err error) {
	all, err := readVectors(path)
	for _, v := range all {
		for _, c := range v.Cases {
			cases++
			c.succeeds()
			parseDoc(c.Input).bytes()
			for _, x := range c.Fetches {
				requestKey(x.Request.Method, x.Request.URL)
			}
		}
	}
	return cases, err
}
