package main

// connectorCommand has the commands for authors of connectors.
type connectorCommand struct {
	New    newCommand    `cmd:"" help:"Start a connector: write a small one that works with the practice CRM."`
	Check  checkCommand  `cmd:"" help:"Check connectors, and tell their authors what to fix; the same as crmgate check."`
	Call   callCommand   `cmd:"" help:"Run one operation of a connector, and show what it does."`
	Dev    devCommand    `cmd:"" help:"Run a connector on this machine, and build, reload and check it when a file is saved."`
	Record recordCommand `cmd:"" help:"Sign in with an account of yours, and write what the CRM answers as vectors."`
}

// Help is what "crmgate connector --help" adds.
func (connectorCommand) Help() string {
	return `From nothing to a connector that runs:

  crmgate connector new acme --lang js    write acme/acme.js, its manifest acme.json, and its tests acme.vectors.json
  cd acme
  crmgate connector dev                   run it, and open the page where you sign in; save a file, and it is reloaded
  crmgate connector check acme.js         run the tests, and play a CRM in trouble
  crmgate connector call acme.js getOauthInfo
  crmgate connector record                sign in with an account of yours, and write its vectors`
}
