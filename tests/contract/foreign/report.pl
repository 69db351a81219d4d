#!/usr/bin/env perl
# A report stage in another language: the smallest program that keeps Graftline's contract.
#   report.pl describe     prints the StageDescriptor
#   report.pl run WORK     reads WORK/request.json, writes WORK/outputs/report and WORK/result.json
use strict;
use warnings;
use JSON::PP;

$SIG{TERM} = sub { print STDERR "error: stopped on request\n"; exit 130 };
my $json = JSON::PP->new->canonical->utf8;
my ($command, $work) = @ARGV;

if ($command eq 'describe') {
    my $schema = { type => 'object', additionalProperties => JSON::PP::false, properties => {
        title => { type => 'string', default => 'Plain report' },
        ( map { $_ => { type => 'string', default => '' } } qw(description split) ),
        checks => { type => 'array', default => [] } } };
    print $json->encode({
        contractVersion => '1', name => 'report', version => 'perl-1',
        summary => 'A plain-text report', resources => 'RESOURCE_CLASS_CPU',
        inputs => [
            { name => 'metrics', kinds => ['ARTIFACT_KIND_METRICS'], repeated => JSON::PP::true, optional => JSON::PP::true },
            { name => 'training', kinds => ['ARTIFACT_KIND_METRICS'], optional => JSON::PP::true },
            { name => 'data', kinds => ['ARTIFACT_KIND_TRAINING_SET'], optional => JSON::PP::true, manifestOnly => JSON::PP::true },
            { name => 'steps', kinds => [ map { "ARTIFACT_KIND_$_" } qw(EXAMPLES TRAINING_SET MODEL ADAPTER METRICS BUNDLE REJECTS) ],
              repeated => JSON::PP::true, optional => JSON::PP::true, manifestOnly => JSON::PP::true },
        ],
        outputs => [ { name => 'report', kinds => ['ARTIFACT_KIND_REPORT'] } ],
        configSchema => $json->encode($schema), runtimeSchema => '{"type":"object","properties":{}}',
    }), "\n";
    exit 0;
}

sub read_json { my ($path) = @_; open my $file, '<:raw', $path or die "error: $path: $!\n"; local $/; return $json->decode(scalar <$file>) }

my $request = read_json("$work/request.json");
my $config = $json->decode($request->{config} || '{}');
my @lines = ($config->{title});
for my $manifest (sort glob "$work/inputs/*/*.json") {
    my $found = read_json($manifest);
    push @lines, "made from $found->{step}";
}
for my $path (sort glob "$work/inputs/metrics/*/metrics.json") {
    my $plain = read_json($path)->{variants}{plain}{eval};
    push @lines, map { "$_ = $plain->{$_}{value}" } sort keys %$plain;
}
print $json->encode({ progress => { done => 1, total => 1, unit => 'pages' } }), "\n";
mkdir "$work/outputs/report";
open my $page, '>', "$work/outputs/report/index.html" or die "error: $!\n";
print $page "<!doctype html><title>$config->{title}</title><pre>\n", join("\n", @lines), "\n</pre>\n";
close $page;
open my $result, '>', "$work/result.json" or die "error: $!\n";
print $result $json->encode({ outputs => [ { port => 'report', kind => 'ARTIFACT_KIND_REPORT' } ], figures => { lines => scalar @lines } });
close $result;
