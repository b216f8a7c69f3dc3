package reply

import "rcptgate/verify/verdict"

// gatewayRules are the meanings that mail gateways give to their words; they
// stand with those of the providers, in the same order.
var gatewayRules = []Rule{
	{
		ID: "mimecast-sender", Means: "the recipient's side has blocked the sender",
		From:   "Mimecast: SMTP error codes",
		Reason: verdict.SenderRefused, Hosts: hostsMimecast,
		Any: []string{
			"envelope blocked", "administrative prohibition", "sender address blocked", "sender address is blocked",
		},
	},
	{
		ID: "mimecast-blocked", Means: "our address is refused",
		From:   "Mimecast: SMTP error codes",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsMimecast,
		Any: []string{
			"csi mimecast", "zen mimecast", "host network not allowed", "ip temporarily blacklisted",
			"envelope rejected", "dmarc sender invalid", "local cidr blocked", "local rbl blocked", "anti spoofing",
		},
	},
	{
		ID: "mimecast-greylisting", Means: "the first attempt is deferred",
		From:   "Mimecast: greylisting shows as a shortage of resources",
		Reason: verdict.Greylisted, Digit: 4, Hosts: hostsMimecast,
		Any: []string{"internal resource*", "resources are temporarily unavailable", "greylist*"},
	},
	{
		ID: "mimecast-greylisting-words", Means: "the first attempt is deferred, known by the words where the host is not",
		From:   "Mimecast: SMTP error codes, 451",
		Reason: verdict.Greylisted, At: AtRcpt, Digit: 4, Home: hostsMimecast,
		Any: []string{"internal resource temporarily", "internal resources are temporarily"},
	},
	{
		ID: "mimecast-unknown", Means: "the recipient is not known",
		From:   "Mimecast: SMTP error codes, recipient validation",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsMimecast, Plain: true,
		Any: []string{"invalid recipient", "known address verification failed", "recipient validation"},
	},
	{
		ID: "proofpoint-blocked", Means: "our address is refused",
		From:   "Proofpoint: ipcheck, Dynamic Reputation",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsProof,
		Any: []string{"ipcheck proofpoint", "prs proofpoint", "dnsbl*", "blocked", "proofpoint dynamic reputation"},
	},
	{
		ID: "telekom-blocked", Means: "our address is not known to Telekom and must be presented first",
		From:   "T-Online postmaster: tosa",
		Reason: verdict.ProbeBlocked, Scope: ScopeSite, Home: hostsTelekom,
		Any: []string{"ask your postmaster for help", "tosa"},
	},
	{
		ID: "telekom-blocked-words", Means: "our address is not known to Telekom and must be presented first",
		From:   "T-Online postmaster: NOWL, DIAL",
		Reason: verdict.ProbeBlocked, Scope: ScopeSite, Hosts: hostsTelekom,
		Any: []string{"ask your postmaster", "a problem occurred", "nowl", "dial"},
	},
	{
		ID: "cisco-harvest", Means: "we asked for too many addresses that do not exist (DHAP)",
		From:   "Cisco Secure Email guide: Directory Harvest Attack Prevention",
		Reason: verdict.RateLimited, Scope: ScopeSite, Hosts: hostsCisco,
		Any: []string{"too many invalid recipients"},
	},
	{
		ID: "cisco-unknown", Means: "refused by the recipient table or directory; elsewhere the words may be about any address",
		From:   "Cisco Secure Email guide: LDAP accept, recipient access table",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsCisco, Plain: true,
		Enhanced: []string{"1.0"},
		Any:      []string{"address rejected"},
		Nowhere:  []string{"$sender .. rejected", "sender", "bounce"},
	},
	{
		ID: "trend-unknown", Means: "the recipient is not in the directory, although the code says policy",
		From:   "Trend Micro Email Security: Invalid-Recipient",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsTrend, Plain: true,
		Any: []string{"invalid recipient"},
	},
	{
		ID: "barracuda-unknown", Means: "the back-end knows no such user",
		From:   "Barracuda: cuda_nsu",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsBarracuda, Plain: true,
		Any: []string{"cuda nsu"},
		Nowhere: []string{
			"policy", "rejection", "abuse", "blocked", "temporar*", "relay*", "spam*", "quota", "try again",
		},
	},
	{
		ID: "barracuda-blocked", Means: "our address is refused",
		From:   "Barracuda: permanent failure … blocked",
		Reason: verdict.ProbeBlocked, Scope: ScopeSite, Home: hostsBarracuda,
		Any: []string{"permanent failure for one or more recipients"},
		And: []string{"blocked"},
	},
}
