// Package org keeps what belongs to an organisation: its applications, the managed fields of its API-key forms, and what
// its admins see of its people.
//
//	Orgs   what sign-ins and App Connect's routes ask, by a RingCentral token
//	Admin  what an admin does on the pages of their organisation
//	Form   an API-key form, which [Orgs.Fill] fills in with managed values
//
// An admin replaces the organisation's application in these steps:
//
//  1. Admin.App reads the confirmed and the pending application
//  2. Admin.EnterApp puts the stored secret in the place of its placeholder
//  3. the endpoints must be on hosts that the manifest declares
//  4. the CRM gets a made-up code: an answer that rejects the client ends here; a second one, with a made-up secret, shows
//     whether the first told anything
//  5. storage keeps the application as staged, for 24 hours
//  6. the admin signs in with it (authflow)
//  7. that sign-in confirms it, retires the one before and ends the sessions of that one, in one transaction
//
// The package refuses to take an organisation from a request: it comes from a verified token, or from an admin's sealed
// statement. It never returns a stored secret, sends one only to the client and host that it was entered for, and shows an
// admin no other organisation's people.
package org
