package recording

// Conceal replaces the secrets in a recording.
func Conceal(r *Recording, secrets []Secret) error { return r.conceal(secrets) }
