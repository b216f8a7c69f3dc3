package reply

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestJudgeLine(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", `{"id":"a","stage":"RCPT","code":550,"enhanced":"5.1.1","text":"User unknown","host":"mx.example.net"}`, `{"id":"a","status":"undeliverable","reason":"mailbox_not_found","scope":"recipient","rule":"unknown-user"}`},
		{"number as id, code as string, no stage", `{"id":7,"code":"250","text":"ok"}`, `{"id":7,"status":"deliverable","reason":"accepted","scope":"recipient","rule":"accepted"}`},
		{"code as other programs write it", `{"id":"a","code":550.0,"text":"User unknown"}`, `{"id":"a","status":"undeliverable","reason":"mailbox_not_found","scope":"recipient","rule":"unknown-user"}`},
		{"no id", `{"code":250}`, `{"status":"deliverable","reason":"accepted","scope":"recipient","rule":"accepted"}`},
		{"another word is rcpt", `{"id":"a","stage":"quit","code":550,"text":"User unknown"}`, `{"id":"a","status":"undeliverable","reason":"mailbox_not_found","scope":"recipient","rule":"unknown-user"}`},
		{"data is rcpt", `{"id":"a","stage":"DATA","code":550,"text":"User unknown"}`, `{"id":"a","status":"undeliverable","reason":"mailbox_not_found","scope":"recipient","rule":"unknown-user"}`},
		{"before rcpt", `{"id":"a","stage":"Mail","code":550,"text":"User unknown"}`, `{"id":"a","status":"unknown","reason":"sender_refused","scope":"site","rule":"mail-refused"}`},
		{"several lines with their codes", `{"id":"a","code":550,"text":"550-5.1.1 no\r\n550 5.1.1 such user\n"}`, `{"id":"a","status":"undeliverable","reason":"mailbox_not_found","scope":"recipient","rule":"unknown-user"}`},
		{"enhanced of another class is none", `{"id":"a","code":450,"enhanced":"5.1.1","text":"x"}`, `{"id":"a","status":"unknown","reason":"temporary_failure","scope":"recipient","rule":"temporary"}`},
		{"provider", `{"id":"a","code":550,"text":"Requested action not taken: mailbox unavailable","host":"MX00.GMX.NET."}`, `{"id":"a","status":"undeliverable","reason":"mailbox_not_found","scope":"recipient","rule":"gmx-unknown"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := JudgeLine([]byte(tt.in))
			if err != nil || string(out) != tt.want {
				t.Errorf("got %s (%v)\nwant %s", out, err, tt.want)
			}
		})
	}
}

func TestJudgeLineBad(t *testing.T) {
	tests := []struct{ name, in, id, want string }{
		{"no JSON", `hello`, `null`, "JSON"},
		{"an array", `[1]`, `null`, "JSON"},
		{"empty", ``, `null`, "JSON"},
		{"no id and no code", `{}`, `null`, "code"},
		{"code no whole number", `{"id":"a","code":550.5}`, `"a"`, "whole number"},
		{"code no number at all", `{"id":"a","code":"NaN"}`, `"a"`, "whole number"},
		{"code without end", `{"id":"a","code":"inf"}`, `"a"`, "outside"},
		{"code an object", `{"id":"a","code":{}}`, `"a"`, "whole number"},
		{"no code", `{"id":"a"}`, `"a"`, "code"},
		{"code no number", `{"id":"a","code":"x"}`, `"a"`, "code"},
		{"code below", `{"id":1,"code":199}`, `1`, "outside"},
		{"code above", `{"id":1,"code":600}`, `1`, "outside"},
		{"id an object", `{"id":{},"code":550}`, `null`, "id"},
		{"text of the wrong type", `{"id":"a","code":550,"text":7}`, `"a"`, "JSON"},
		{"text too long", `{"id":"a","code":550,"text":"` + strings.Repeat("x", MaxBytes+1) + `"}`, `"a"`, "more than"},
		{"too many lines", `{"id":"a","code":550,"text":"` + strings.Repeat(`x\n`, MaxLines+1) + `x"}`, `"a"`, "lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := JudgeLine([]byte(tt.in))
			var o struct {
				ID    json.RawMessage
				Error string
			}
			if jerr := json.Unmarshal(out, &o); jerr != nil {
				t.Fatal(jerr)
			}
			if err == nil || string(o.ID) != tt.id || !strings.Contains(o.Error, tt.want) {
				t.Errorf("got %s (%v), want id %s and %q", out, err, tt.id, tt.want)
			}
		})
	}
}

func FuzzJudgeLine(f *testing.F) {
	f.Add([]byte(`{"id":"a","stage":"rcpt","code":550,"text":"User unknown"}`))
	f.Add([]byte(`{"id":1e9,"code":"450","text":"a\nb","host":"mx.gmx.net"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		out, err := JudgeLine(line)
		var o struct{ Error, Status, Reason string }
		if jerr := json.Unmarshal(out, &o); jerr != nil {
			t.Fatalf("%q: %v", out, jerr)
		}
		if (err != nil) != (o.Error != "") || (err == nil) != (o.Status != "" && o.Reason != "") {
			t.Fatalf("%q: %s, %v", line, out, err)
		}
	})
}
