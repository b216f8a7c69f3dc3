// Package reply parses SMTP replies and judges them.
//
// A reply is read strictly (RFC 5321 section 4.2, RFC 2034, RFC 3463): a peer
// that contradicts itself gets a [ProtocolError], never a guess. Classify then
// answers one question about a well-formed reply: what does it mean, whom is
// it about, and is it meant for good. The meanings stand in one ordered table,
// which [Rules] hands out for the documentation. A reply is read sentence by
// sentence: a phrase is found within one, and most words that forbid a meaning
// forbid it in theirs. What speaks of us, of a rate or of a moment does so
// wherever it stands.
//
// The package does no I/O, keeps no state, and turns nothing into a verdict: a
// class says what a server claims, and whether that is believed (its control,
// the truthfulness of the site) is decided in package verify. Two things hold
// whatever the words: a 4xx is never a reason to call an address
// undeliverable, and neither is anything said before RCPT.
package reply
