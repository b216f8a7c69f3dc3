package address

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// print prints a in the form.
func print(a Address, f Form) string {
	switch f {
	case Internal:
		return a.Internal()
	case Path:
		return "<" + a.External() + ">"
	case External:
	}
	return a.External()
}

// checkAddress holds what is true of every address, however it was made.
func checkAddress(t rapid.TB, a Address) {
	t.Helper()
	ext := a.External()
	if a.Kind() != Foreign && strings.ContainsFunc(ext, unicode.IsControl) || strings.ContainsFunc(ext, isControl) || len(ext) > maxExternal {
		t.Fatalf("External %q is not safe in a command", ext)
	}
	quoted := false
	for i := 0; i < len(ext); i++ {
		switch c := ext[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(` <>\`, c) >= 0:
			t.Fatalf("External %q has %q outside quotes", ext, c)
		}
	}
	if quoted {
		t.Fatalf("External %q has a quote that does not end", ext)
	}
	for _, f := range []Form{Internal, Path, External} {
		if f == Internal && a.Domain().IsZero() && strings.Contains(a.local, "@") {
			continue // the unquoted form cannot tell
		}
		b, err := Parse(print(a, f), f)
		if err != nil || b != a {
			t.Fatalf("parse of %q in form %d: %#v, %v; want %#v", print(a, f), f, b, err, a)
		}
	}
	if k, err := Parse(a.Key(), External); err != nil || k.Key() != a.Key() || k.Domain() != a.Domain() {
		t.Fatalf("Key %q is not stable: %q, %v", a.Key(), k.Key(), err)
	}
	if d := a.Domain(); !d.IsZero() {
		if e, err := ParseDomain(d.String()); err != nil || e != d {
			t.Fatalf("domain %q is not stable: %q, %v", d, e, err)
		}
		if e, err := ParseDomain(d.Unicode()); err != nil || e != d {
			t.Fatalf("domain %q as U-labels %q: %q, %v", d, d.Unicode(), e, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "<>", "user@example.org", "a b@example.org", `<"a>b"@example.org>`, "<@a,@b:c@d.e>", `"a\"b"@[192.0.2.1]`,
		"jörg@bücher.example", "a@xn--bcher-kva.example", "a@_x.ß.example.", "postmaster", "a..b@x.1", `"`, `\`, "@", "<", "a@b\x00",
		"a@xn--", "a@\u200d.example", "a@\u05d0\u0661.example", `<"a> b>"`, "a@xn--a.\u3002",
	} {
		for form := range 3 {
			f.Add(s, form)
		}
	}
	f.Fuzz(func(t *testing.T, text string, form int) {
		a, err := Parse(text, Form(((form%3)+3)%3))
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("error %q is not printable", err)
			}
			return
		}
		checkAddress(t, a)
	})
}

func TestStable(t *testing.T) {
	t.Parallel()
	label := rapid.StringMatching(`[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,20}[a-zA-Z0-9_])?`)
	idn := rapid.SampledFrom([]string{"bücher", "例え", "straße", "почта", "xn--bcher-kva", "BÜCHER"})
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringOfN(rapid.RuneFrom([]rune("ab.@\"\\<> ,:;()[]é用+-=\u00a0"), unicode.Latin), 1, 80, -1).Draw(t, "local")
		domain := strings.Join(rapid.SliceOfN(rapid.OneOf(label, idn), 1, 6).Draw(t, "labels"), ".")
		a, err := Parse(local+"@"+domain, Internal)
		if err != nil {
			t.Skip(err) // a label whose mapping is impossible beside the others
		}
		if a.Local() != local {
			t.Fatalf("local part %q became %q", local, a.Local())
		}
		b, err := Make(local, a.Domain())
		if err != nil || b != a {
			t.Fatalf("Make(%q) = %#v, %v; want %#v", local, b, err, a)
		}
		checkAddress(t, a)
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("First.Last@mail.example.org", Internal); err != nil {
			b.Fatal(err)
		}
	}
}
