// Package settings stores the settings of people and of organisations, and merges them.
//
// [Settings] reads and changes them. An organisation's admin proves the account with a RingCentral token. Members find their
// organisation's settings by the same kind of token, or by the hash of its account ([Settings.UserInfoHash]). Where both have
// an entry, the organisation decides by customizable and isRemoved whose counts.
//
// Values stay as the client wrote them: digits of numbers and escapes of strings are kept. The package refuses JSON that is
// too large or too deeply nested, and members of an admin's settings that it does not know are ignored.
package settings
