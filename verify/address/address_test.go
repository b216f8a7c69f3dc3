package address

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 70)
	tests := []struct {
		form     Form
		in       string
		kind     Kind
		external string
		internal string
	}{
		{Internal, "", Null, "", ""},
		{Path, "", Null, "", ""},
		{Path, "<>", Null, "", ""},
		{External, "", Null, "", ""},
		{External, "<>", Null, "", ""},
		{Internal, "user@Example.ORG", Mailbox, "user@example.org", "user@example.org"},
		{Internal, "User.Name+tag@example.org.", Mailbox, "User.Name+tag@example.org", "User.Name+tag@example.org"},
		{Internal, "a b@example.org", Mailbox, `"a b"@example.org`, "a b@example.org"},
		{Internal, "a..b@docomo.ne.jp", Mailbox, `"a..b"@docomo.ne.jp`, "a..b@docomo.ne.jp"},
		{Internal, "a.@docomo.ne.jp", Mailbox, `"a."@docomo.ne.jp`, "a.@docomo.ne.jp"},
		{Internal, ".a@docomo.ne.jp", Mailbox, `".a"@docomo.ne.jp`, ".a@docomo.ne.jp"},
		{Internal, `a"b\c@example.org`, Mailbox, `"a\"b\\c"@example.org`, `a"b\c@example.org`},
		{Internal, "a@b@example.org", Mailbox, `"a@b"@example.org`, "a@b@example.org"},
		{Internal, "<a>@example.org", Mailbox, `"<a>"@example.org`, "<a>@example.org"},
		{Internal, long + "@example.org", Mailbox, long + "@example.org", long + "@example.org"},
		{Internal, "a@some_host.example.org", Mailbox, "a@some_host.example.org", "a@some_host.example.org"},
		{Internal, "a@r3---x.com", Mailbox, "a@r3---x.com", "a@r3---x.com"},
		{Internal, "jörg@bücher.example", Mailbox, "jörg@xn--bcher-kva.example", "jörg@xn--bcher-kva.example"},
		{Internal, "a@BÜCHER。example。", Mailbox, "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{Internal, "a@XN--BCHER-KVA.example", Mailbox, "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{Internal, "a@straße.example", Mailbox, "a@xn--strae-oqa.example", "a@xn--strae-oqa.example"},
		{Internal, "a@_x.bücher.example", Mailbox, "a@_x.xn--bcher-kva.example", "a@_x.xn--bcher-kva.example"},
		{Internal, "a@xn--0.example", Mailbox, "a@xn--0.example", "a@xn--0.example"},
		{Internal, "postmaster", NoDomain, "postmaster", "postmaster"},
		{Path, "<Postmaster>", NoDomain, "Postmaster", "Postmaster"},
		{External, "root user", NoDomain, `"root user"`, "root user"},
		{Internal, "a@localhost", Dotless, "a@localhost", "a@localhost"},
		{Internal, "a@192.0.2.1", Dotless, "a@192.0.2.1", "a@192.0.2.1"},
		{Internal, "a@x.0x7F", Dotless, "a@x.0x7f", "a@x.0x7f"},
		{Internal, "a@[192.0.2.1]", Literal, "a@[192.0.2.1]", "a@[192.0.2.1]"},
		{Path, "<a@[IPv6:2001:db8::1]>", Literal, "a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
		{Path, "<user@example.org>", Mailbox, "user@example.org", "user@example.org"},
		{Path, " <user@example.org> ", Mailbox, "user@example.org", "user@example.org"},
		{Path, "<user@example.org> NOTIFY=NEVER", Mailbox, "user@example.org", "user@example.org"},
		{Path, "user@example.org", Mailbox, "user@example.org", "user@example.org"},
		{Path, "<user@example.org", Mailbox, "user@example.org", "user@example.org"},
		{Path, "user@example.org>", Mailbox, "user@example.org", "user@example.org"},
		{Path, "<@a.example,@b.example:user@example.org>", Mailbox, "user@example.org", "user@example.org"},
		{Path, "<@[IPv6:2001:db8::1]:user@example.org>", Mailbox, "user@example.org", "user@example.org"},
		{Path, `<"a b"@example.org>`, Mailbox, `"a b"@example.org`, "a b@example.org"},
		{Path, `<"a>b"@example.org>`, Mailbox, `"a>b"@example.org`, "a>b@example.org"},
		{Path, `<"a@b"@example.org>`, Mailbox, `"a@b"@example.org`, "a@b@example.org"},
		{Path, `<"@x:y"@example.org>`, Mailbox, `"@x:y"@example.org`, "@x:y@example.org"},
		{Path, `<a\ b@example.org>`, Mailbox, `"a b"@example.org`, "a b@example.org"},
		{Path, `<a."b c".d@example.org>`, Mailbox, `"a.b c.d"@example.org`, "a.b c.d@example.org"},
		{Path, `<"abc@example.org>`, Mailbox, `"\"abc"@example.org`, `"abc@example.org`},
		{External, `"simple"@example.org`, Mailbox, "simple@example.org", "simple@example.org"},
		{External, `"a\\b\"c"@example.org`, Mailbox, `"a\\b\"c"@example.org`, `a\b"c@example.org`},
		{External, "a b@example.org", Mailbox, `"a b"@example.org`, "a b@example.org"},
		{External, "用户@例え.jp", Mailbox, "用户@xn--r8jz45g.jp", "用户@xn--r8jz45g.jp"},
	}
	for _, tt := range tests {
		a, err := Parse(tt.in, tt.form)
		if err != nil {
			t.Errorf("Parse(%q, %d): %v", tt.in, tt.form, err)
			continue
		}
		if a.Kind() != tt.kind || a.External() != tt.external || a.Internal() != tt.internal {
			t.Errorf("Parse(%q, %d) = kind %d, %q, %q; want kind %d, %q, %q", tt.in, tt.form,
				a.Kind(), a.External(), a.Internal(), tt.kind, tt.external, tt.internal)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		form Form
		in   string
		want string
	}{
		{Internal, "@example.org", `empty local part at offset 0 of "@example.org"`},
		{External, `""@example.org`, `empty local part at offset 0 of "\"\"@example.org"`},
		{Path, "<@a.example:>", `empty local part at offset 12 of "<@a.example:>"`},
		{Internal, "a\x00b@example.org", `control byte at offset 1 of "a\x00b@example.org"`},
		{External, "a\r\nDATA@example.org", `control byte at offset 1 of "a\r\nDATA@example.org"`},
		{Path, "<a\x7f@example.org>", `control byte at offset 2 of "<a\x7f@example.org>"`},
		{Internal, "a@", `empty domain at offset 2 of "a@"`},
		{Internal, "a@.", `empty domain at offset 2 of "a@."`},
		{Internal, "a@b..c", `empty label at offset 4 of "a@b..c"`},
		{Internal, "a@.b", `empty label at offset 2 of "a@.b"`},
		{Internal, "a@b.c..", `empty label at offset 6 of "a@b.c.."`},
		{Internal, "a@-b.c", `impossible label (hyphen at its edge) at offset 2 of "a@-b.c"`},
		{Internal, "a@b-.c", `impossible label (hyphen at its edge) at offset 2 of "a@b-.c"`},
		{Internal, "a@b c.d", `impossible label at offset 3 of "a@b c.d"`},
		{Internal, "a@b\n.d", `impossible label at offset 3 of "a@b\n.d"`},
		{External, "<a@b.c>", `impossible label at offset 6 of "<a@b.c>"`},
		{Internal, "a@\u2100.example", `impossible label at offset 2 of "a@\u2100.example"`},
		{Internal, "a@[192.0.2.1", `impossible address literal at offset 2 of "a@[192.0.2.1"`},
		{Internal, "a@[1 2]", `impossible address literal at offset 2 of "a@[1 2]"`},
		{Internal, "a@[]", `impossible address literal at offset 2 of "a@[]"`},
		{Internal, "a@" + strings.Repeat("x", 64) + ".c", `label longer than 63 octets at offset 2 of "a@` + strings.Repeat("x", 64) + `.c"`},
		{Internal, "a@" + strings.Repeat("x.", 127) + "c", `domain longer than 253 octets at offset 255 of "a@` + strings.Repeat("x.", 39) + `"...`},
		{Internal, strings.Repeat("x", 2000) + "@c.d", `longer than 2000 octets at offset 0 of "` + strings.Repeat("x", 80) + `"...`},
		{Internal, strings.Repeat("x", 9000), `too long at offset 0 of "` + strings.Repeat("x", 80) + `"...`},
	}
	for _, tt := range tests {
		a, err := Parse(tt.in, tt.form)
		if _, ok := errors.AsType[*SyntaxError](err); !ok {
			t.Errorf("Parse(%q, %d) = %q, %v; want a SyntaxError", tt.in, tt.form, a, err)
			continue
		}
		if err.Error() != tt.want {
			t.Errorf("Parse(%q, %d):\n got %s\nwant %s", tt.in, tt.form, err, tt.want)
		}
		if !a.IsNull() {
			t.Errorf("Parse(%q, %d) = %q with an error", tt.in, tt.form, a)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"User@EXAMPLE.org":       "User@example.org",
		"PostMaster@example.org": "postmaster@example.org",
		"PostMaster":             "postmaster",
		`"user"@example.org`:     "user@example.org",
		"u@bücher.example":       "u@xn--bcher-kva.example",
	} {
		a, err := Parse(in, External)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Key(); got != want {
			t.Errorf("Key(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNeedsSMTPUTF8(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{"u@bücher.example": false, "ü@example.org": true, "": false} {
		a, err := Parse(in, External)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.NeedsSMTPUTF8(); got != want {
			t.Errorf("NeedsSMTPUTF8(%q) = %v", in, got)
		}
	}
}

func TestMake(t *testing.T) {
	t.Parallel()
	d, err := ParseDomain("Example.org.")
	if err != nil {
		t.Fatal(err)
	}
	a, err := Make("a b", d)
	if err != nil || a.External() != `"a b"@example.org` {
		t.Errorf("Make = %q, %v", a, err)
	}
	for _, local := range []string{"", "a\nb", strings.Repeat("x", 2000)} {
		if a, err := Make(local, d); err == nil {
			t.Errorf("Make(%q) = %q", local, a)
		}
	}
	if a, err := Make("a", Domain{}); err == nil {
		t.Errorf("Make without a domain = %q", a)
	}
}

func TestDomainUnicode(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"xn--bcher-kva.example": "bücher.example",
		"xn--0.example":         "xn--0.example",
		"Example.ORG":           "example.org",
	} {
		d, err := ParseDomain(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Unicode(); got != want {
			t.Errorf("Unicode(%q) = %q, want %q", in, got, want)
		}
	}
}

// What an MTA took from an old client is no syntax error, though nobody can be
// asked about it.
func TestForeignIsParsed(t *testing.T) {
	for _, in := range []string{"j\xfcrgen@example.org", "a\u0085b@example.org"} {
		a, err := Parse(in, Internal)
		if err != nil || a.Kind() != Foreign {
			t.Errorf("%q: kind %d, %v; want Foreign", in, a.Kind(), err)
		}
	}
}
