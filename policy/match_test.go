package policy

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rcptgate/verify/address"
)

func TestFirstMatch(t *testing.T) {
	t.Parallel()
	rule := func(name string, change func(*Rule)) Rule {
		return with(func(r *Rule) { r.Name = name; change(r) })
	}
	st := settings(t, Source{Rules: []Rule{
		rule("both", func(r *Rule) { r.SASLUsername, r.Sender = []string{"shop"}, []string{"*@shop.example"} }),
		rule("news", func(r *Rule) { r.SASLUsername = []string{"News@*", "bulk-?"} }),
		rule("null", func(r *Rule) { r.Sender = []string{"<>"} }),
		rule("idn", func(r *Rule) { r.Recipient = []string{"*@*.BÜCHER.example", "Jürgen@*"} }),
		rule("quoted", func(r *Rule) { r.Recipient = []string{"a b@*"} }),
		rule("lit", func(r *Rule) { r.Recipient = []string{"*@[192.0.2.*]"} }),
		rule("bare", func(r *Rule) { r.Recipient = []string{"postmaster"} }),
		rule("net", func(r *Rule) {
			r.Client = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104"), netip.MustParsePrefix("2001:db8::/32")}
		}),
		rule("ctx", func(r *Rule) { r.PolicyContext = []string{"submission", "smtps-*"} }),
	}})
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{Sender: "x@y.example"}, "default"},
		{Query{SASLUsername: "SHOP", Sender: "A@Shop.Example"}, "both"},
		{Query{SASLUsername: "shop", Sender: "a@other.example"}, "default"},
		{Query{SASLUsername: "shop", Sender: "a@b@shop.example"}, "both"},
		{Query{SASLUsername: "nEWS@example.com", Sender: "x@y.example"}, "news"},
		{Query{SASLUsername: "bulk-7", Sender: "x@y.example"}, "news"},
		{Query{SASLUsername: "bulk-77", Sender: "x@y.example"}, "default"},
		{Query{}, "null"},
		{Query{Sender: "<>", SenderForm: address.Path}, "null"},
		{Query{Sender: "x@y.example", Recipient: "z@a.bücher.EXAMPLE"}, "idn"},
		{Query{Sender: "x@y.example", Recipient: "z@a.xn--bcher-kva.example"}, "idn"},
		{Query{Sender: "x@y.example", Recipient: "z@bücher.example"}, "default"},
		{Query{Sender: "x@y.example", Recipient: "JÜRGEN@x.example"}, "idn"},
		{Query{Sender: "x@y.example", Recipient: "A B@x.example"}, "quoted"},
		{Query{Sender: "x@y.example", Recipient: `<"a b"@x.example>`, RecipientForm: address.Path}, "quoted"},
		{Query{Sender: "x@y.example", Recipient: "z@[192.0.2.7]"}, "lit"},
		{Query{Sender: "x@y.example", Recipient: "Postmaster"}, "bare"},
		{Query{Sender: "x@y.example", Recipient: "postmaster@x.example"}, "default"},
		{Query{Sender: "x@y.example", Client: netip.MustParseAddr("10.9.8.7")}, "net"},
		{Query{Sender: "x@y.example", Client: netip.MustParseAddr("::ffff:10.9.8.7")}, "net"},
		{Query{Sender: "x@y.example", Client: netip.MustParseAddr("2001:db8::1%eth0")}, "net"},
		{Query{Sender: "x@y.example", Client: netip.MustParseAddr("11.9.8.7")}, "default"},
		{Query{Sender: "x@y.example", PolicyContext: "smtps-2"}, "ctx"},
		{Query{Sender: "x@y.example", PolicyContext: "Submission"}, "default"},
		{Query{Sender: "x@y.example", Recipient: "\x01@x.example"}, "default"},
	} {
		a := &asked{q: &c.q}
		if got := st.first(a.parse()).Name; got != c.want {
			t.Errorf("%+v matched %s, want %s", c.q, got, c.want)
		}
	}
}

// asRegexp is another implementation to compare with.
func asRegexp(pat string) *regexp.Regexp {
	var b strings.Builder
	for _, r := range pat {
		switch r {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return regexp.MustCompile("^(?s:" + b.String() + ")$")
}

func TestGlob(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pat := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?ü")), 0, 8, -1).Draw(t, "pattern")
		s := rapid.StringOfN(rapid.SampledFrom([]rune("abü")), 0, 10, -1).Draw(t, "text")
		if got, want := glob(pat, s, false), asRegexp(pat).MatchString(s); got != want {
			t.Errorf("glob(%q, %q) = %v", pat, s, got)
		}
		// What covers a pattern matches all that the pattern matches.
		later := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?ü")), 0, 8, -1).Draw(t, "later")
		if glob(pat, later, true) && glob(later, s, false) && !glob(pat, s, false) {
			t.Errorf("%q is said to cover %q, which alone matches %q", pat, later, s)
		}
	})
}

// TestNetCovered compares with each address of a small network.
func TestNetCovered(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		network := rapid.Custom(func(t *rapid.T) netip.Prefix {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(t, "octet") & 15})
			return netip.PrefixFrom(addr, rapid.IntRange(28, 32).Draw(t, "bits")).Masked()
		})
		nets, p := rapid.SliceOfN(network, 0, 6).Draw(t, "nets"), network.Draw(t, "p")
		want := true
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			want = want && contains(nets, a)
		}
		if got := netCovered(nets, p); got != want {
			t.Errorf("%v in %v: %v", p, nets, got)
		}
	})
	for _, c := range []struct {
		nets []string
		p    string
		want bool
	}{
		{[]string{"0.0.0.0/1", "128.0.0.0/1"}, "0.0.0.0/0", true},
		{[]string{"0.0.0.0/0"}, "::/0", false},
		{[]string{"::/1", "8000::/1"}, "::/0", true},
		{[]string{"2001:db8::1/128"}, "2001:db8::/32", false},
	} {
		var nets []netip.Prefix
		for _, n := range c.nets {
			nets = append(nets, netip.MustParsePrefix(n))
		}
		if got := netCovered(nets, netip.MustParsePrefix(c.p)); got != c.want {
			t.Errorf("%s in %v: %v", c.p, c.nets, got)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("*@example.com", "a@example.com")
	f.Add("a**?b*", "aab\xff")
	f.Fuzz(func(t *testing.T, pat, s string) {
		glob(pat, s, true)
		if glob(pat, s, false) && !strings.ContainsAny(pat, "*?") && pat != s {
			t.Errorf("%q matched %q", pat, s)
		}
		if !glob("*", s, false) || !glob("*"+s, s, false) && !strings.Contains(s, "*") {
			t.Errorf("a star does not match %q", s)
		}
	})
}
