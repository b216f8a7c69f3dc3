package strict

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	var in, out sample
	if _, problems := Decode("f", []byte(good), &in, nil); problems != nil {
		t.Fatal(problems)
	}
	in.Hostname = "a\"b\\c\nd\x7fé"
	text := Encode(&in)
	if _, problems := Decode("f", text, &out, nil); problems != nil {
		t.Fatalf("%v\n%s", problems, text)
	}
	if diff := cmp.Diff(in, out, cmp.AllowUnexported(sample{}, partial{})); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	const want = `hostname = "a\"b\\c\u000Ad\u007Fé"

[policy]
mode = "enforce"
answer_budget = "1h30m"
reject = ["a", "b\u000Ac", "d"]

[[policy.rule]]
name = "one"

[[policy.rule]]
name = "two"
mode = "monitor"

[policy.reply]

[policy.reply.mailbox_not_found]
code = 550

[probe]
port = 25
connects_per_second = 50.0
allow_unfit = true

[site]

[site.".mx.example.net"]
connections = 0

[site.".mx.example.net".stay_away]
rate_limited = "7d"

[site."a \"b\""]
min_interval = "250ms"

[site."a \"b\"".stay_away]
x = "1s"
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
}
