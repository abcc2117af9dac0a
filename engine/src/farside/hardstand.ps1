# hardstand: the program that runs on a Windows host.
#
# It is one constant text: nothing in it comes from a spec. It speaks the wire form of hardstand.sh, whose header says what
# fields, guards, receipts and transactions are. A small loader (windows.rs) reads the standard input, makes a script block
# of this text, and hands it the lines behind it as plain strings:
#
#     VERB NONCE [ARGUMENT...]
#     (data)
#
# It needs Windows PowerShell 5.1 or PowerShell 7, full language mode, and no modules but CimCmdlets, ScheduledTasks and
# Microsoft.PowerShell.*, which Windows brings. It is plain ASCII, and so is all that it prints.
#
# Paths travel as OpenSSH's sftp writes them: /C:/Program Files/x is C:\Program Files\x, and /pipe/x is the pipe \\.\pipe\x.
# The unit x.service is the service x. A file has no mode and no owner here: a new one takes the ACL of its directory, one
# that is replaced keeps its own.
#
# What hardstand keeps is below C:\ProgramData\hardstand (SYSTEM and Administrators only), laid out as hardstand.sh says:
#
#     version generation lock active committed receipts\ owed\ txn\ID\{program.ps1 questions guards changes journal ...}
#
# Names of functions and variables of the whole program begin with Hs.

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$script:HsState = [IO.Path]::Combine([Environment]::GetFolderPath('CommonApplicationData'), 'hardstand')
$script:HsTask = 'hardstand-apply'
$script:HsContentLimit = 1048576
$script:HsDigestLimit = 67108864
$script:HsAscii = [Text.Encoding]::ASCII
$script:HsUtf8 = [Text.UTF8Encoding]::new($false)
$script:HsSink = $null
$script:HsOut = $null
$script:HsWhy = ''

# ---------------------------------------------------------------------------------------------------------- the call

# Answers one call: its lines, the first of which names verb, nonce and arguments.
function HsServe([string[]]$lines) {
    $words = $lines[0].Split(' ')
    $script:HsVerb = $words[0]
    $script:HsNonce = $words[1]
    $data = [Collections.Generic.List[string]]::new()
    for ($i = 1; $i -lt $lines.Count; $i++) { $data.Add($lines[$i]) }
    HsSay "HARDSTAND 1 $HsNonce $HsVerb"
    try {
        switch -CaseSensitive ($HsVerb) {
            'probe' { HsProbe $data $true; HsSay "end $HsNonce" }
            'begin' { HsBegin $words[2] $words[3] $data }
            'status' { HsStatus $words[2] }
            'abort' { HsAbort $words[2] }
            'gc' { HsCollect }
            'purge' { HsPurge }
            default { HsRefuse 'unsupported' "this version of hardstand cannot $HsVerb" }
        }
    } catch [OperationCanceledException] {
        # A refusal was printed; nothing is left to say.
        $script:HsSink = $null
    }
}

# Says that nothing was done, and why. It ends the call.
function HsRefuse([string]$code, [string]$text) {
    HsSay "refused $code $(HsEncode $text)"
    HsSay "end $HsNonce"
    throw [OperationCanceledException]::new($text)
}

# Says that a short verb did its work.
function HsFinish {
    HsSay 'ok'
    HsSay "end $HsNonce"
}

# --------------------------------------------------------------------------------------------------------------- text

# Prints a line, or keeps it if the answers are only to be compared.
function HsSay([string]$line) {
    if ($null -ne $script:HsSink) {
        $script:HsSink.Add($line)
        return
    }
    HsSend ($HsAscii.GetBytes($line + "`n"))
}

# Prints bytes as they are; the console's own writer would translate them.
function HsSend([byte[]]$bytes) {
    if ($null -eq $script:HsOut) { $script:HsOut = [Console]::OpenStandardOutput() }
    $script:HsOut.Write($bytes, 0, $bytes.Length)
    $script:HsOut.Flush()
}

# Returns a text as a field: every byte but printable ASCII, and % and the space too, is %xx.
function HsEncode([string]$text) {
    if ($text -cmatch '^[!-$&-~]*\z') { return $text }
    $field = [Text.StringBuilder]::new()
    foreach ($byte in $HsUtf8.GetBytes($text)) {
        if ($byte -gt 32 -and $byte -lt 127 -and $byte -ne 37) {
            [void]$field.Append([char]$byte)
        } else {
            [void]$field.Append('%' + $byte.ToString('x2'))
        }
    }
    $field.ToString()
}

# Returns what a field means; null if it is none.
function HsDecode([string]$field) {
    if ($field -cmatch '^[!-$&-~]*\z') { return $field }
    if ($field -cnotmatch '^([!-$&-~]|%[0-9a-f]{2})*\z') { return $null }
    $bytes = [Collections.Generic.List[byte]]::new()
    for ($i = 0; $i -lt $field.Length; $i++) {
        if ($field[$i] -ceq '%') {
            $bytes.Add([Convert]::ToByte($field.Substring($i + 1, 2), 16))
            $i += 2
        } else {
            $bytes.Add([byte][char]$field[$i])
        }
    }
    $HsUtf8.GetString($bytes.ToArray())
}

# Returns the path that Windows knows for a path of the wire; null if it is none. Names that Windows would read as others,
# such as those that end with a dot, are none.
function HsPath([string]$path) {
    if ($path -cmatch '^/pipe/[A-Za-z0-9._-]+\z') { return '\\.\pipe\' + $path.Substring(6) }
    if ($path -cnotmatch '^/[A-Za-z]:(/[^/\\:*?"<>|\x00-\x1f\x7f-\uffff]+)+\z') { return $null }
    foreach ($component in $path.Substring(4).Split('/')) {
        if ($component -cmatch '^\.+\z' -or $component -cmatch '[. ]\z') { return $null }
    }
    $path.Substring(1).Replace('/', '\')
}

# Returns the name of the service that a unit is; null if it is none.
function HsService([string]$unit) {
    if ($unit -cmatch '^[A-Za-z0-9][A-Za-z0-9._-]*\.service\z') {
        return $unit.Substring(0, $unit.Length - '.service'.Length)
    }
    $null
}

function HsHex([byte[]]$bytes) {
    [BitConverter]::ToString($bytes).Replace('-', '').ToLowerInvariant()
}

function HsDigest([byte[]]$bytes) {
    $sha = [Security.Cryptography.SHA256]::Create()
    try { HsHex $sha.ComputeHash($bytes) } finally { $sha.Dispose() }
}

# Returns the digest of a file.
function HsDigestOf([string]$path) {
    $sha = [Security.Cryptography.SHA256]::Create()
    $stream = HsOpen $path
    try { HsHex $sha.ComputeHash($stream) } finally { $stream.Dispose(); $sha.Dispose() }
}

# Opens a file for reading, whoever else has it open.
function HsOpen([string]$path) {
    $share = [IO.FileShare]::ReadWrite -bor [IO.FileShare]::Delete
    [IO.FileStream]::new($path, [IO.FileMode]::Open, [IO.FileAccess]::Read, $share)
}

# Returns the lines of a small file of ours; none if it is not there.
function HsLines([string]$path) {
    if (-not [IO.File]::Exists($path)) { return @() }
    $stream = HsOpen $path
    try {
        $reader = [IO.StreamReader]::new($stream, $HsAscii)
        $text = $reader.ReadToEnd()
    } finally { $stream.Dispose() }
    if ($text -ceq '') { return @() }
    $text.TrimEnd("`n").Replace("`r", '').Split("`n")
}

# Returns the first line of a small file of ours; empty if there is none.
function HsFirst([string]$path) {
    $lines = @(HsLines $path)
    if ($lines.Count -eq 0) { return '' }
    $lines[0]
}

function HsNow {
    [DateTimeOffset]::UtcNow.ToUnixTimeSeconds()
}

# Runs a program without input for at most some seconds, and returns its status and what it said.
function HsRun([string]$program, [string]$arguments, [int]$seconds) {
    $start = [Diagnostics.ProcessStartInfo]::new()
    $start.FileName = $program
    $start.Arguments = $arguments
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $start.StandardOutputEncoding = $HsUtf8
    $start.StandardErrorEncoding = $HsUtf8
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Close()
    $out = $process.StandardOutput.ReadToEndAsync()
    $err = $process.StandardError.ReadToEndAsync()
    if (-not $process.WaitForExit($seconds * 1000)) {
        try { $process.Kill() } catch { }
        return @{ Status = 124; Out = ''; Err = "it did not end within $seconds seconds" }
    }
    @{ Status = $process.ExitCode; Out = $out.Result; Err = $err.Result }
}

# Returns the last line of a text that holds anything.
function HsLastLine([string]$text) {
    $lines = @($text.Replace("`r", '').Split("`n") | Where-Object { $_.Trim() -cne '' })
    if ($lines.Count -eq 0) { return 'it said nothing' }
    $lines[$lines.Count - 1]
}

# -------------------------------------------------------------------------------------------------------------- probe

# Answers the questions of some lines, up to the line `end`. It writes nothing anywhere. Without contents it gives only
# what is compared.
function HsProbe($data, [bool]$contents) {
    $script:HsContents = $contents
    $script:HsAsked = [Collections.Generic.HashSet[string]]::new()
    $script:HsKeep = [Collections.Generic.HashSet[string]]::new()
    $script:HsQuestions = [Collections.Generic.List[object]]::new()
    $script:HsKnown = [Collections.Generic.HashSet[string]]::new()
    $script:HsHashed = [Collections.Generic.List[object]]::new()
    $complete = $false
    foreach ($line in $data) {
        if ($line -ceq 'end') { $complete = $true; break }
        if ($line.StartsWith('keep ', [StringComparison]::Ordinal)) {
            [void]$HsKeep.Add($line.Substring(5))
        } else {
            HsAsk $line
        }
    }
    if (-not $complete) { HsRefuse 'truncated' 'the questions were cut off' }
    HsObserveState
    HsObserveFacts
    foreach ($question in $HsQuestions) {
        switch -CaseSensitive ($question.Kind) {
            'file' { HsObservePath $question.Name }
            'files' { HsObserveList $question.Name $question.Suffix }
            'unit' { HsObserveUnit $question.Name }
            'containerd' { HsObserveContainerd $question.Name }
            'cri' { HsObserveCri $question.Name }
        }
    }
    foreach ($file in $HsHashed) { HsSay "content $($file.Digest)  $($file.Name)" }
    if ($contents) { HsSendContents }
}

# Adds one question to what is asked.
function HsAsk([string]$line) {
    if (-not $HsAsked.Add($line)) { return }
    $words = $line.Split(' ')
    $name = $null
    if ($words.Count -ge 2) { $name = HsDecode $words[1] }
    if ($null -eq $name) { HsRefuse 'question' "bad field in: $line" }
    $suffix = ''
    switch -CaseSensitive ($words[0]) {
        'unit' {
            if ($name -cnotmatch '^[A-Za-z0-9][A-Za-z0-9._+~:@\\-]*\z') { HsRefuse 'question' "not a name: $line" }
        }
        { @('file', 'files', 'containerd', 'cri') -ccontains $_ } {
            if ($null -eq (HsPath $name)) { HsRefuse 'question' "not a path of Windows: $line" }
            if ($_ -ceq 'files') {
                if ($words.Count -ne 3 -or $words[2] -cnotmatch '^[a-z]*\z') { HsRefuse 'question' "not a suffix: $line" }
                $suffix = $words[2]
            }
        }
        default { HsRefuse 'question' "not a question for Windows: $line" }
    }
    $HsQuestions.Add(@{ Kind = $words[0]; Name = $name; Suffix = $suffix })
}

# What hardstand left here: generation, open transaction, owed restarts, receipts. It asks the questions of every receipt
# that is not kept.
function HsObserveState {
    if (-not [IO.Directory]::Exists($HsState)) { return }
    try { [void][IO.Directory]::GetFiles($HsState) } catch {
        HsSay '~fact state unreadable'
        return
    }
    HsSay "~fact generation $(HsGeneration)"
    $open = HsFirst "$HsState\active"
    if ($open -cne '') { HsSay "~fact open $open" }
    foreach ($path in (HsEntries "$HsState\owed")) { HsSay "~owed $([IO.Path]::GetFileName($path))" }
    foreach ($path in (HsEntries "$HsState\receipts")) {
        $record = [IO.Path]::GetFileName($path)
        $lines = @(HsLines $path)
        if ($lines.Count -eq 0) { continue }
        HsSay "~receipt $record $($lines[0])"
        if ($HsKeep.Contains($record)) { continue }
        for ($i = 1; $i -lt $lines.Count; $i++) { HsAsk $lines[$i] }
    }
}

function HsGeneration {
    $number = HsFirst "$HsState\generation"
    if ($number -cmatch '^[0-9]{1,18}\z') { return [long]$number }
    [long]0
}

# Returns the files of one of our directories, in the order of their names.
function HsEntries([string]$directory) {
    if (-not [IO.Directory]::Exists($directory)) { return @() }
    $paths = [IO.Directory]::GetFiles($directory)
    [Array]::Sort($paths, [StringComparer]::Ordinal)
    $paths
}

# What this host is.
function HsObserveFacts {
    $key = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    $parts = foreach ($name in @('CurrentMajorVersionNumber', 'CurrentMinorVersionNumber', 'CurrentBuildNumber')) {
        HsRegistry $key $name
    }
    $number = $parts -join '.'
    HsSay 'fact os-id windows'
    HsSay "fact os-version $(HsEncode $number)"
    HsSay "fact os-name $(HsEncode (HsRegistry $key 'ProductName'))"
    HsSay "fact kernel $(HsEncode ($number + '.' + (HsRegistry $key 'UBR')))"
    $guid = HsRegistry 'SOFTWARE\Microsoft\Cryptography' 'MachineGuid'
    if ($guid -cne '') { HsSay "fact machine-id $(HsEncode $guid.ToLowerInvariant())" }
    $architecture = [string]$env:PROCESSOR_ARCHITECTURE
    switch -CaseSensitive ($architecture) {
        'AMD64' { $architecture = 'x86_64' }
        'ARM64' { $architecture = 'aarch64' }
    }
    HsSay "fact architecture $(HsEncode $architecture)"
    if (HsIsAdministrator) { HsSay '~fact root yes' }
    foreach ($command in @('containerd', 'ctr', 'crictl', 'kubelet')) {
        if ('' -cne (HsProgram $command)) { HsSay "~fact command $command" }
    }
}

# Returns a value of a key of the local machine; one that is not there is empty.
function HsRegistry([string]$key, [string]$name) {
    [string][Microsoft.Win32.Registry]::GetValue('HKEY_LOCAL_MACHINE\' + $key, $name, '')
}

function HsIsAdministrator {
    $me = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = [Security.Principal.WindowsPrincipal]::new($me)
    $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

# Returns the path of a program: beside the containerd that the service runs, or on the PATH; empty if it is nowhere.
function HsProgram([string]$name) {
    $daemon = HsDaemon
    if ($daemon -cne '') {
        if ($name -ceq 'containerd') { return $daemon }
        $beside = [IO.Path]::Combine([IO.Path]::GetDirectoryName($daemon), "$name.exe")
        if ([IO.File]::Exists($beside)) { return $beside }
    }
    $found = @(Get-Command -Name "$name.exe" -CommandType Application -ErrorAction SilentlyContinue)
    if ($found.Count -gt 0) { return $found[0].Path }
    $usual = [IO.Path]::Combine([Environment]::GetFolderPath('ProgramFiles'), 'containerd', "$name.exe")
    if ([IO.File]::Exists($usual)) { return $usual }
    ''
}

# Returns the program that the service containerd runs; empty if there is no such service or program.
function HsDaemon {
    $image = HsRegistry 'SYSTEM\CurrentControlSet\Services\containerd' 'ImagePath'
    $command = [Environment]::ExpandEnvironmentVariables($image)
    $program = ''
    if ($command -match '^"([^"]+)"') { $program = $Matches[1] }
    elseif ($command -match '^(.+?\.exe)(\s|$)') { $program = $Matches[1] }
    if ($program -cne '' -and [IO.File]::Exists($program)) { return $program }
    ''
}

# Returns what is at a path: absent, file, directory, link or denied.
function HsKindOf([string]$path) {
    try {
        $attributes = [IO.File]::GetAttributes($path)
    } catch [IO.FileNotFoundException] {
        return 'absent'
    } catch [IO.DirectoryNotFoundException] {
        return 'absent'
    } catch {
        return 'denied'
    }
    if (([int]$attributes -band [int][IO.FileAttributes]::ReparsePoint) -ne 0) { return 'link' }
    if (([int]$attributes -band [int][IO.FileAttributes]::Directory) -ne 0) { return 'directory' }
    'file'
}

# What is at one path, named as on the wire.
function HsObservePath([string]$name) {
    if (-not $HsKnown.Add($name)) { return }
    $field = HsEncode $name
    $path = HsPath $name
    switch -CaseSensitive (HsKindOf $path) {
        'absent' { HsSay "absent $field" }
        'denied' { HsSay "unreadable $field access%20denied" }
        'directory' { HsSayStat $name '755' '41ed' 0 0 }
        'link' {
            HsSayStat $name '777' 'a1ff' 0 0
            HsSay "link $field $(HsEncode (HsLinkTarget $path))"
        }
        'file' { HsObserveFile $name $path $field }
    }
}

function HsLinkTarget([string]$path) {
    $item = Get-Item -LiteralPath $path -Force
    if ($null -eq $item.PSObject.Properties['Target']) { return '?' }
    $target = @($item.Target) -join ', '
    if ($target -ceq '') { return '?' }
    $target
}

# A file: its size, time and digest. Windows has neither modes nor numbers of owners, so those are the same for all.
function HsObserveFile([string]$name, [string]$path, [string]$field) {
    $file = [IO.FileInfo]::new($path)
    $modified = [DateTimeOffset]::new($file.LastWriteTimeUtc).ToUnixTimeSeconds()
    HsSayStat $name '644' '81a4' $file.Length $modified
    if ($file.Length -gt $HsDigestLimit) {
        HsSay "unreadable $field larger%20than%2064%20MiB"
        return
    }
    try {
        $digest = HsDigestOf $path
    } catch {
        HsSay "unreadable $field access%20denied"
        return
    }
    $HsHashed.Add(@{ Name = $name; Path = $path; Size = $file.Length; Digest = $digest })
}

function HsSayStat([string]$name, [string]$mode, [string]$raw, [long]$size, [long]$modified) {
    HsSay "file $mode $raw 0 0 Administrators:Administrators:$name"
    HsSay "~size $raw $size 1 $modified $name"
}

# Lists DIRECTORY\*.SUFFIX, or all that is in DIRECTORY.
function HsObserveList([string]$name, [string]$suffix) {
    $line = "$(HsEncode $name) $suffix"
    $path = HsPath $name
    $kind = HsKindOf $path
    if ($kind -ceq 'absent') { HsSay "list $line"; return }
    if ($kind -cne 'directory') { HsSay "unlisted $line not%20a%20directory"; return }
    try {
        $entries = [IO.Directory]::GetFileSystemEntries($path)
    } catch {
        HsSay "unlisted $line access%20denied"
        return
    }
    [Array]::Sort($entries, [StringComparer]::Ordinal)
    $fields = @($line)
    foreach ($entry in $entries) {
        $file = [IO.Path]::GetFileName($entry)
        if ($suffix -cne '' -and -not $file.EndsWith(".$suffix", [StringComparison]::OrdinalIgnoreCase)) { continue }
        if ($null -eq (HsPath "$name/$file")) {
            HsSay "unlisted $line odd%20name%20$(HsEncode $file)"
            return
        }
        $fields += HsEncode $file
    }
    for ($i = 1; $i -lt $fields.Count; $i++) { HsObservePath "$name/$(HsDecode $fields[$i])" }
    HsSay "list $($fields -join ' ')"
}

# What the service manager knows of a unit, in the words of systemd. PathName is what it starts.
function HsObserveUnit([string]$unit) {
    $field = HsEncode $unit
    try {
        $service = HsServiceState $unit
    } catch {
        HsSay "unanswered unit $field $(HsEncode $_.Exception.Message)"
        return
    }
    if ($null -eq $service) {
        HsSay "unit $field LoadState=not-found ActiveState=inactive"
        HsSay "~unit $field MainPID=0"
        return
    }
    $guard = "unit $field LoadState=loaded UnitFileState=$($service.Starts) PathName=$(HsEncode $service.PathName)"
    $volatile = "~unit $field MainPID=$($service.Process) SubState=$($service.State)"
    if (@('active', 'inactive') -ccontains $service.Active) { $guard += " ActiveState=$($service.Active)" }
    else { $volatile += " ActiveState=$($service.Active)" }
    if ($service.Started -cne '') { $volatile += " ExecMainStartTimestamp=$(HsEncode $service.Started)" }
    HsSay $guard
    HsSay $volatile
}

# Returns the state of the service that a unit is; null if there is none.
function HsServiceState([string]$unit) {
    $name = HsService $unit
    if ($null -eq $name) { return $null }
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='$name'"
    if ($null -eq $service) { return $null }
    $active = 'inactive'
    switch ($service.State) {
        'Running' { $active = 'active' }
        'Start Pending' { $active = 'activating' }
        'Continue Pending' { $active = 'activating' }
        'Stop Pending' { $active = 'deactivating' }
    }
    $starts = 'disabled'
    switch ($service.StartMode) {
        'Auto' { $starts = 'enabled' }
        'Disabled' { $starts = 'masked' }
    }
    @{
        Name = $name
        Active = $active
        State = ([string]$service.State).ToLowerInvariant().Replace(' ', '-')
        Starts = $starts
        PathName = [string]$service.PathName
        Process = [int]$service.ProcessId
        Started = HsStarted ([int]$service.ProcessId)
    }
}

# Returns when a process was started, as systemd writes it; empty if there is none.
function HsStarted([int]$id) {
    if ($id -eq 0) { return '' }
    $process = Get-CimInstance -ClassName Win32_Process -Filter "ProcessId=$id"
    if ($null -eq $process -or $null -eq $process.CreationDate) { return '' }
    $format = 'ddd yyyy-MM-dd HH:mm:ss'
    $process.CreationDate.ToUniversalTime().ToString($format, [Globalization.CultureInfo]::InvariantCulture) + ' UTC'
}

# The installed containerd, and what it makes of a configuration file.
function HsObserveContainerd([string]$name) {
    $field = HsEncode $name
    $program = HsProgram 'containerd'
    if ($program -ceq '') { HsSay "containerd $field absent"; return }
    $said = HsRun $program '--version' 10
    $words = @($said.Out.Trim() -split '\s+')
    $version = 'unknown'
    if ($words.Count -ge 3) { $version = $words[2] -creplace '^v', '' }
    HsSay "containerd $field version $(HsEncode $version)"
    if (-not $HsContents) { return }
    $said = HsRun $program "--config `"$(HsPath $name)`" config dump" 10
    if ($said.Status -ne 0) {
        HsSay "~undumped $field $(HsEncode (HsLastLine $said.Err))"
        return
    }
    $missing = HsMissingImport $said.Out
    if ($missing -cne '') { HsSay "~undumped $field $(HsEncode $missing)"; return }
    HsSay "~dumped $field"
    foreach ($line in $said.Out.Replace("`r", '').TrimEnd("`n").Split("`n")) {
        if ($line -cmatch '^[ -$&-~]*\z') { HsSay "~dump $line" } else { HsSay "~dump $(HsEncode $line)" }
    }
}

# Returns what is wrong with a dump of which an import is a file that is not there; empty if nothing is. containerd 2 does
# not start with it, and passes over it in a dump.
function HsMissingImport([string]$dump) {
    $line = [regex]::Match($dump, '(?m)^imports = \[(.*)\]')
    foreach ($match in [regex]::Matches($line.Groups[1].Value, "'([^']*)'|`"([^`"]*)`"")) {
        $path = $match.Groups[1].Value + $match.Groups[2].Value.Replace('\\', '\')
        if ($path -cmatch '^[A-Za-z]:\\[^*]*\z' -and -not [IO.File]::Exists($path)) {
            return "containerd: open ${path}: no such file or directory"
        }
    }
    ''
}

# What listens at a pipe. crictl asks it, if there is one; else only that something listens is known.
function HsObserveCri([string]$name) {
    if (-not $HsContents) { return }
    $field = HsEncode $name
    $found = HsPipe $name
    if ($found -cne 'listens') { HsSay "~cri $field $found"; return }
    $crictl = HsProgram 'crictl'
    if ($crictl -ceq '') { HsSay "~cri $field unasked"; return }
    $answers = foreach ($command in @('version', 'info', 'runtime-config')) {
        $said = HsCrictl $crictl $name $command
        $status = $said.Status
        # A program that crashed ends with a negative number.
        if ($status -lt 0 -or $status -gt 255) { $status = 255 }
        [Convert]::ToBase64String($HsUtf8.GetBytes($said.Out + $said.Err + "`n" + $status))
    }
    HsSay "~cri $field crictl $($answers -join ' ')"
}

function HsCrictl([string]$crictl, [string]$name, [string]$command) {
    $endpoint = 'npipe:////./pipe/' + $name.Substring(6)
    HsRun $crictl "--runtime-endpoint $endpoint --timeout 5s $command" 10
}

# Returns what is at a pipe: listens, absent or denied. It opens the pipe and closes it without a word.
function HsPipe([string]$name) {
    if ($name -cnotmatch '^/pipe/') { return 'other' }
    $client = [IO.Pipes.NamedPipeClientStream]::new('.', $name.Substring(6), [IO.Pipes.PipeDirection]::InOut)
    try {
        $client.Connect(1000)
        'listens'
    } catch [TimeoutException] {
        'absent'
    } catch [UnauthorizedAccessException] {
        'denied'
    } catch [IO.IOException] {
        'denied'
    } finally { $client.Dispose() }
}

# The content of every small file, each after a header line. A file that changed since is sent as it is now: its digest
# tells.
function HsSendContents {
    $small = @($HsHashed | Where-Object { $_.Size -le $HsContentLimit })
    if ($small.Count -eq 0) { return }
    HsSay '~contents'
    foreach ($file in $small) {
        HsSay "==> $($file.Name) <=="
        $bytes = [byte[]]@()
        try { $bytes = [IO.File]::ReadAllBytes($file.Path) } catch { }
        HsSend $bytes
        HsSay ''
    }
}

# ================================== a probe is sent with what stands above this line, all else with the whole program

# ------------------------------------------------------------------------------------------- begin, as the login sees it

# Stages a bundle as a transaction, starts it, follows it, and answers its questions once it ended. A transaction that is
# already here is followed: asking twice does it once.
function HsBegin([string]$txn, [string]$digest, $data) {
    HsNameTransaction $txn
    HsRequireAdministrator
    HsOpenState
    if ([IO.Directory]::Exists($HsDir)) {
        HsSay 'attached'
    } else {
        HsStage $digest $data
        HsSay 'staged'
    }
    if (-not [IO.File]::Exists("$HsDir\journal")) { HsLaunch }
    HsFollow
    HsVerify
}

# Follows a transaction, which may have ended, and answers its questions.
function HsStatus([string]$txn) {
    HsNameTransaction $txn
    HsRequireAdministrator
    HsCheckAnyState
    if (-not [IO.Directory]::Exists($HsDir)) { HsRefuse 'unknown' "there is no transaction $txn" }
    if (-not [IO.File]::Exists("$HsDir\journal") -and -not (HsIsRunning)) {
        HsRefuse 'staged' "transaction $txn was staged and never started"
    }
    HsSay 'attached'
    HsFollow
    HsVerify
}

# Drops a transaction that never started; ends a dead one as interrupted.
function HsAbort([string]$txn) {
    HsNameTransaction $txn
    HsRequireAdministrator
    HsCheckAnyState
    if (-not [IO.Directory]::Exists($HsDir)) { HsRefuse 'unknown' "there is no transaction $txn" }
    if (HsIsRunning) { HsRefuse 'running' "transaction $txn is running" }
    if ([IO.File]::Exists("$HsDir\journal")) {
        HsClose $HsDir
        if ((HsFirst "$HsState\active") -ceq $txn) { [IO.File]::Delete("$HsState\active") }
    } else {
        [IO.Directory]::Delete($HsDir, $true)
    }
    HsFinish
}

# Removes old transactions.
function HsCollect {
    HsRequireAdministrator
    HsCheckAnyState
    HsGc ''
    HsFinish
}

# Removes all that hardstand keeps here. What it manages stays.
function HsPurge {
    HsRequireAdministrator
    HsCheckAnyState
    if ([IO.Directory]::Exists($HsState)) {
        if ('' -cne (HsRunner)) { HsRefuse 'running' 'a transaction is running; wait for its end' }
        if ([IO.File]::Exists("$HsState\active")) {
            HsRefuse 'open' 'a transaction was interrupted; plan and apply once more, which ends it'
        }
        HsForgetIdleDebts
        $owed = @(HsEntries "$HsState\owed")
        if ($owed.Count -gt 0) {
            $unit = [IO.Path]::GetFileName($owed[0])
            HsRefuse 'owed' "a restart of $unit is owed; plan and apply once more, or restart it and remove $($owed[0])"
        }
        HsForgetTask
        [IO.Directory]::Delete($HsState, $true)
    }
    HsFinish
}

# Sets the variables that name a transaction.
function HsNameTransaction([string]$txn) {
    if ($txn -cnotmatch '^[0-9a-f]{32}\z') { HsRefuse 'transaction' 'this is not the id of a transaction' }
    $script:HsTxn = $txn
    $script:HsDir = "$HsState\txn\$txn"
}

function HsRequireAdministrator {
    if (-not (HsIsAdministrator)) { HsRefuse 'root' 'changes need a member of Administrators' }
}

# Makes the state directory, or checks that nobody else made it.
function HsOpenState {
    if (-not [IO.Directory]::Exists($HsState)) {
        [void][IO.Directory]::CreateDirectory($HsState)
        $acl = [Security.AccessControl.DirectorySecurity]::new()
        $acl.SetSecurityDescriptorSddlForm('O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')
        Set-Acl -LiteralPath $HsState -AclObject $acl
        # Until now others could write here.
        if ([IO.Directory]::GetFileSystemEntries($HsState).Count -ne 0) {
            HsRefuse 'state' "somebody else wrote into $HsState"
        }
    }
    HsCheckState
    foreach ($name in @('txn', 'receipts', 'owed')) { [void][IO.Directory]::CreateDirectory("$HsState\$name") }
    $version = HsFirst "$HsState\version"
    if ($version -ceq '') { HsPut "$HsState\version" '1' }
    elseif ($version -cne '1') {
        HsRefuse 'version' "another version of hardstand keeps its state here: format $version"
    }
}

# Checks a state directory that may not be there: every user can make one of its name.
function HsCheckAnyState {
    if ([IO.Directory]::Exists($HsState)) { HsCheckState }
}

# The state directory must be no link, belong to SYSTEM or Administrators, and be open to nobody else.
function HsCheckState {
    if ((HsKindOf $HsState) -cne 'directory') { HsRefuse 'state' "$HsState is not a directory" }
    $ours = @('S-1-5-18', 'S-1-5-32-544')
    $acl = Get-Acl -LiteralPath $HsState
    $sids = @($acl.GetOwner([Security.Principal.SecurityIdentifier]).Value)
    foreach ($rule in $acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
        if ($rule.AccessControlType -eq [Security.AccessControl.AccessControlType]::Allow) {
            $sids += $rule.IdentityReference.Value
        }
    }
    foreach ($sid in $sids) {
        if ($ours -cnotcontains $sid) { HsRefuse 'state' "$HsState is open to others than SYSTEM and Administrators ($sid)" }
    }
}

# Receives the bundle, checks all of it, and puts it in place in one rename.
function HsStage([string]$digest, $data) {
    $bytes = $HsAscii.GetBytes(($data -join "`n") + "`n")
    if ((HsDigest $bytes) -cne $digest) { HsRefuse 'digest' 'the bundle was damaged on its way' }
    $new = "$HsState\txn\.new.$HsNonce"
    foreach ($name in @('', '\content', '\backup', '\receipts')) { [void][IO.Directory]::CreateDirectory($new + $name) }
    $lists = @{ questions = @(); guards = @(); changes = @(); manifest = @() }
    $bodies = $false
    $program = $false
    foreach ($line in $data) {
        $word, $rest = $line -split ' ', 2
        switch -CaseSensitive ($word) {
            'hardstand-bundle' { if ($line -cne 'hardstand-bundle 1') { HsUnstage $new 'bundle' 'another format of bundles' } }
            { @('plan', 'operator', 'generation', 'deadline', 'need', 'count') -ccontains $_ } { $lists.manifest += $line }
            'question' { $lists.questions += $rest }
            'guard' { $lists.guards += $rest }
            { @('change', 'step', 'record', 'unrecord', 'done', 'forget') -ccontains $_ } { $lists.changes += $line }
            'program' { $program = HsUnpack $data $rest "$new\program.ps1" $false }
            'content' {
                $named = $rest.Split(' ')[2]
                if ($named -cnotmatch '^[0-9a-f]{64}\z' -or -not (HsUnpack $data $rest "$new\content\$named" $true)) {
                    HsUnstage $new 'digest' 'a file of the bundle was damaged'
                }
            }
            'bodies' { $bodies = $true }
            default { HsUnstage $new 'bundle' "bad line in the bundle: $line" }
        }
        if ($bodies) { break }
    }
    if (-not $bodies -or -not $program) { HsUnstage $new 'bundle' 'the bundle has no bodies' }
    $lists.questions += 'end'
    foreach ($name in $lists.Keys) {
        HsWriteNew "$new\$name" ($HsAscii.GetBytes((@($lists[$name]) + '') -join "`n"))
    }
    [IO.Directory]::Move($new, $HsDir)
}

# Writes the lines of a body to a file: FIRST COUNT DIGEST. Returns whether they are what the digest says.
function HsUnpack($data, [string]$place, [string]$path, [bool]$encoded) {
    $first, $count, $digest = $place.Split(' ')
    $lines = @()
    if ([int]$count -gt 0) { $lines = @($data.GetRange([int]$first - 1, [int]$count)) }
    if ($encoded) { $bytes = [Convert]::FromBase64String($lines -join '') }
    else { $bytes = $HsAscii.GetBytes(($lines -join "`n") + "`n") }
    if ((HsDigest $bytes) -cne $digest) { return $false }
    HsWriteNew $path $bytes
    $true
}

# Removes what was staged, and refuses.
function HsUnstage([string]$new, [string]$code, [string]$text) {
    [IO.Directory]::Delete($new, $true)
    HsRefuse $code $text
}

# Starts the transaction as a task of SYSTEM, which outlives this login. The name of the task and the lock that the
# transaction takes let only one run.
function HsLaunch {
    $runner = HsRunner
    if ($runner -cne '') {
        [IO.Directory]::Delete($HsDir, $true)
        HsRefuse 'busy' "another transaction is running: $runner"
    }
    $deadline = 3600
    foreach ($line in (HsLines "$HsDir\manifest")) {
        if ($line -cmatch '^deadline ([0-9]{1,6})\z') { $deadline = [int]$Matches[1] }
    }
    $powershell = [IO.Path]::Combine([Environment]::SystemDirectory, 'WindowsPowerShell\v1.0\powershell.exe')
    # In quotes, since PowerShell takes a bare word of digits for a number.
    $read = "[IO.File]::ReadAllText('$HsDir\program.ps1')"
    $arguments = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -Command `"& ([ScriptBlock]::Create($read)) run '$HsTxn'`""
    try {
        $action = New-ScheduledTaskAction -Execute $powershell -Argument $arguments
        $principal = New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -LogonType ServiceAccount -RunLevel Highest
        $settings = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries `
            -MultipleInstances IgnoreNew -Priority 4 -ExecutionTimeLimit (New-TimeSpan -Seconds $deadline)
        [void](Register-ScheduledTask -TaskName $HsTask -Action $action -Principal $principal -Settings $settings `
                -Description "hardstand transaction $HsTxn" -Force)
        Start-ScheduledTask -TaskName $HsTask
    } catch {
        $why = $_.Exception.Message
        [IO.Directory]::Delete($HsDir, $true)
        HsRefuse 'launch' "the scheduled task could not be started: $why"
    }
}

# Removes the definition of the task once it has let go of the lock; a transaction that runs on is left alone.
function HsForgetTask {
    for ($tries = 0; $tries -lt 25 -and '' -cne (HsRunner); $tries++) { Start-Sleep -Milliseconds 200 }
    if ('' -cne (HsRunner)) { return }
    Unregister-ScheduledTask -TaskName $HsTask -Confirm:$false -ErrorAction SilentlyContinue
}

# Returns the transaction that holds the lock; empty if none does.
function HsRunner {
    $lock = "$HsState\lock"
    if (-not [IO.File]::Exists($lock)) { return '' }
    try {
        $stream = [IO.FileStream]::new($lock, [IO.FileMode]::Open, [IO.FileAccess]::ReadWrite, [IO.FileShare]::ReadWrite)
        $stream.Dispose()
        ''
    } catch [IO.IOException] {
        $txn = HsFirst $lock
        if ($txn -ceq '') { return 'unnamed' }
        $txn
    }
}

# Whether this transaction runs.
function HsIsRunning {
    (HsRunner) -ceq $HsTxn
}

# Prints the journal as it grows, until it has its final line. The transaction does not notice who reads.
function HsFollow {
    $journal = "$HsDir\journal"
    $idle = 0
    while (-not [IO.File]::Exists($journal)) {
        Start-Sleep -Milliseconds 200
        $idle++
        if ($idle % 15 -eq 0) { HsSay 'alive' }
        # The task scheduler may take a while to start it. One that it starts later finds no program.
        if ($idle -ge 150 -and -not (HsIsRunning)) {
            HsDrop "$HsDir\program.ps1"
            if ([IO.File]::Exists($journal)) { break }
            HsForgetTask
            HsSay 'final lost'
            return
        }
    }
    $idle = 0
    $dead = 0
    $seen = 0
    while ($true) {
        $lines = @(HsWholeLines $journal)
        if ($lines.Count -gt $seen) {
            $idle = 0
            for ($i = $seen; $i -lt $lines.Count; $i++) {
                HsSay $lines[$i]
                if ($lines[$i] -cmatch '^[0-9]+ [0-9]+ final ') { HsForgetTask; return }
            }
            $seen = $lines.Count
        }
        Start-Sleep -Milliseconds 200
        $idle++
        if ($idle % 15 -ne 0) { continue }
        HsSay 'alive'
        if (-not (HsIsRunning)) { $dead++ }
        if ($dead -gt 1) { HsSay 'final interrupted -'; HsForgetTask; return }
    }
}

# Returns the lines of a file that have an end.
function HsWholeLines([string]$path) {
    $stream = HsOpen $path
    try {
        $reader = [IO.StreamReader]::new($stream, $HsAscii)
        $text = $reader.ReadToEnd()
    } finally { $stream.Dispose() }
    $end = $text.LastIndexOf("`n")
    if ($end -lt 0) { return @() }
    $text.Substring(0, $end).Split("`n")
}

# Answers the transaction's questions, as probe does.
function HsVerify {
    HsSay "HARDSTAND 1 $HsNonce probe"
    HsProbe @(HsLines "$HsDir\questions") $true
    HsSay "end $HsNonce"
}

# ------------------------------------------------------------------------------------- the transaction, inside its task

# Runs a staged transaction, at most once.
function HsRunTransaction([string]$txn) {
    $script:HsNonce = '-'
    $script:HsTxn = $txn
    $script:HsDir = "$HsState\txn\$txn"
    $lock = HsLock
    if ($null -eq $lock) { return }
    try {
        $share = [IO.FileShare]::ReadWrite -bor [IO.FileShare]::Delete
        $script:HsJournal = [IO.FileStream]::new("$HsDir\journal", [IO.FileMode]::CreateNew, [IO.FileAccess]::Write, $share)
        HsTransact
    } catch [OperationCanceledException] {
        # It came to its final line.
        $script:HsWhy = ''
    } catch {
        # Whoever follows finds a journal without an end, and a person finds this.
        [IO.File]::WriteAllText("$HsDir\log", [string]$_ + "`n" + $_.ScriptStackTrace)
    } finally {
        if ($null -ne $script:HsJournal) { $script:HsJournal.Dispose() }
        $lock.Dispose()
    }
}

$script:HsJournal = $null

# Takes the lock and writes into it who holds it; null if another transaction holds it.
function HsLock {
    try {
        $lock = [IO.FileStream]::new("$HsState\lock", [IO.FileMode]::OpenOrCreate, [IO.FileAccess]::ReadWrite, [IO.FileShare]::Read)
    } catch [IO.IOException] {
        return $null
    }
    $lock.SetLength(0)
    $bytes = $HsAscii.GetBytes("$HsTxn`n")
    $lock.Write($bytes, 0, $bytes.Length)
    $lock.Flush($true)
    $lock
}

function HsTransact {
    $script:HsSeq = 0
    $script:HsStep = 0
    $script:HsChange = '0'
    $script:HsOk = $false
    $script:HsAnyFailed = $false
    $script:HsAnyUndone = $false
    $script:HsBad = [Collections.Generic.HashSet[string]]::new()
    $script:HsWritten = [Collections.Generic.List[object]]::new()
    $script:HsTemps = [Collections.Generic.List[string]]::new()
    HsReadManifest
    HsLog "began $HsTxn $($HsManifest['count'])"
    try {
        HsBury
        HsCheckGeneration
        HsCheckGuards
        HsCheckSpace
        HsBackUpAll
        HsArm
        foreach ($line in (HsLines "$HsDir\changes")) { HsPerform $line }
    } catch [OperationCanceledException] {
        throw
    } catch {
        HsFinal 'interrupted' $_.Exception.Message
    }
    if ($HsAnyUndone) { HsFinal 'rolled-back' '-' }
    if ($HsAnyFailed) { HsFinal 'failed' '-' }
    HsFinal 'committed' '-'
}

function HsReadManifest {
    $script:HsManifest = @{ plan = '-'; operator = '-'; generation = '-'; deadline = '3600'; need = '0'; count = '0' }
    foreach ($line in (HsLines "$HsDir\manifest")) {
        $word, $rest = $line -split ' ', 2
        $HsManifest[$word] = $rest
    }
}

# Appends a line to the journal and waits until it is on the disk.
function HsLog([string]$text) {
    $script:HsSeq++
    $bytes = $HsAscii.GetBytes("$HsSeq $(HsNow) $text`n")
    $script:HsJournal.Write($bytes, 0, $bytes.Length)
    $script:HsJournal.Flush($true)
}

# Logs what is worth knowing and no failure.
function HsNote([string]$text) {
    HsLog "note $(HsEncode $text)"
}

# Ends the transaction.
function HsFinal([string]$status, [string]$text) {
    foreach ($temp in $HsTemps) { try { [IO.File]::Delete($temp) } catch { } }
    try { [IO.Directory]::Delete("$HsDir\content", $true) } catch { }
    if (@('committed', 'failed', 'rolled-back', 'wedged') -ccontains $status) {
        $record = @("transaction $HsTxn", "status $status", "plan $($HsManifest['plan'])", "operator $($HsManifest['operator'])", "time $(HsNow)")
        HsForgetIdleDebts
        HsPut "$HsState\committed" ($record -join "`n")
        HsDrop "$HsState\active"
        HsGc $HsDir
    }
    HsLog "final $status $(HsEncode $text)"
    throw [OperationCanceledException]::new($status)
}

# Ends the transaction that was open and whose task is gone: we hold the lock.
function HsBury {
    $open = HsFirst "$HsState\active"
    if ($open -cnotmatch '^[0-9a-f]{32}\z') { return }
    HsClose "$HsState\txn\$open"
    HsNote "transaction $open was interrupted"
    HsDrop "$HsState\active"
}

# A journal without a final line gets one, and its contents are cleared away.
function HsClose([string]$dir) {
    $journal = "$dir\journal"
    if (-not [IO.File]::Exists($journal)) { return }
    $lines = @(HsWholeLines $journal)
    if (@($lines -cmatch '^[0-9]+ [0-9]+ final ').Count -gt 0) { return }
    try { [IO.Directory]::Delete("$dir\content", $true) } catch { }
    # A torn last line counts as not written.
    $lines += "$($lines.Count + 1) $(HsNow) final interrupted -"
    HsPut $journal ($lines -join "`n")
}

# The plan must rest on the last transaction that there was.
function HsCheckGeneration {
    $now = HsGeneration
    $script:HsOrder = $now + 1
    HsPut "$HsDir\order" "$HsOrder"
    if ("$now" -ceq $HsManifest['generation']) { return }
    HsLog "expected generation%20$($HsManifest['generation'])"
    HsLog "found generation%20$now"
    HsFinal 'stale' '-'
}

# Every guard must read as it did when the plan was made.
function HsCheckGuards {
    $script:HsSink = [Collections.Generic.List[string]]::new()
    try {
        HsProbe @(HsLines "$HsDir\questions") $false
        $observed = $script:HsSink
    } catch [OperationCanceledException] {
        $script:HsSink = $null
        HsFinal 'refused' 'the questions of the plan could not be asked again'
    } finally { $script:HsSink = $null }
    $guards = @(HsLines "$HsDir\guards")
    $missing = @($guards | Where-Object { -not $observed.Contains($_) })
    if ($missing.Count -eq 0) { return }
    $now = @($observed | Where-Object { -not $_.StartsWith('~', [StringComparison]::Ordinal) -and $guards -cnotcontains $_ })
    foreach ($line in ($missing | Select-Object -First 20)) { HsLog "expected $(HsEncode $line)" }
    foreach ($line in ($now | Select-Object -First 20)) { HsLog "found $(HsEncode $line)" }
    HsFinal 'stale' '-'
}

# There must be room for backups, new files, and one way back.
function HsCheckSpace {
    $needed = [long]$HsManifest['need'] * 3 + 1048576
    $drives = @($HsState.Substring(0, 2))
    foreach ($line in (HsLines "$HsDir\changes")) {
        $words = $line.Split(' ')
        if ($words[0] -cne 'step' -or $words[1] -cne 'write') { continue }
        $path = HsStepPath $words[2]
        if ($null -eq $path) { HsFinal 'refused' "not a path: $($words[2])" }
        $drives += $path.Substring(0, 2)
    }
    foreach ($drive in ($drives | Sort-Object -Unique)) {
        $free = [IO.DriveInfo]::new($drive).AvailableFreeSpace
        if ($free -lt $needed) { HsFinal 'refused' "only $free bytes are free on $drive" }
    }
}

# Copies every file that a step will replace.
function HsBackUpAll {
    $number = 0
    foreach ($line in (HsLines "$HsDir\changes")) {
        $words = $line.Split(' ')
        if ($words[0] -cne 'step') { continue }
        $number++
        if ($words[1] -cne 'write') { continue }
        $path = HsStepPath $words[2]
        if ($null -eq $path) { HsFinal 'refused' "not a path: $($words[2])" }
        if (-not (HsBackUp $number $path)) { HsFinal 'refused' "$path could not be backed up: $HsWhy" }
    }
}

# Copies one file, and says beside the copy what it was.
function HsBackUp([int]$number, [string]$path) {
    $backup = "$HsDir\backup\$number"
    if ([IO.File]::Exists($backup)) { [IO.File]::Delete($backup) }
    $now = HsLook $path
    if ($now -ceq 'other') {
        $script:HsWhy = 'it is not a regular file'
        return $false
    }
    if ($now -cne 'absent') {
        HsWriteNew $backup ([IO.File]::ReadAllBytes($path))
        if ((HsLook $backup) -cne $now) {
            $script:HsWhy = 'the copy reads back differently'
            return $false
        }
    }
    HsPut "$backup.was" $now
    $true
}

# From here on the transaction is open.
function HsArm {
    $since = @($HsTxn, "plan $($HsManifest['plan'])", "operator $($HsManifest['operator'])", "since $(HsNow)")
    HsPut "$HsState\active" ($since -join "`n")
    HsPut "$HsState\generation" "$HsOrder"
}

# One line of the changes.
function HsPerform([string]$line) {
    $words = $line.Split(' ')
    switch -CaseSensitive ($words[0]) {
        'change' { HsBeginChange $words[1] $words[2] $words[3] }
        'forget' { if ($words[1] -cmatch '^[0-9a-f]{32}\z') { HsDrop "$HsState\receipts\$($words[1])" } }
        'step' {
            $script:HsStep++
            if ($HsOk) { HsPerformStep $words }
        }
        { @('record', 'unrecord') -ccontains $_ } {
            if ($HsOk) {
                try { HsRecord $words } catch { HsFail "its receipt could not be written: $($_.Exception.Message)" }
            }
        }
        'done' { if ($HsOk) { HsLog "done $($words[1])" } }
    }
}

# Begins a change, unless one that it requires did not succeed.
function HsBeginChange([string]$number, [string]$resource, [string]$requires) {
    $script:HsChange = $number
    $script:HsOk = $false
    foreach ($required in $requires.Split(',')) {
        if ($HsBad.Contains($required)) {
            HsLog "skipped $number $resource $required"
            [void]$HsBad.Add($number)
            return
        }
    }
    $script:HsOk = $true
    HsLog "intent $number $resource"
}

# Marks the change as failed.
function HsFail([string]$text) {
    $script:HsAnyFailed = $true
    $script:HsOk = $false
    [void]$HsBad.Add($HsChange)
    HsLog "failed $HsChange $(HsEncode $text)"
}

# Does one step and proves it.
function HsPerformStep([string[]]$words) {
    $kind = $words[1]
    $script:HsWhy = 'it did not work'
    $done = $false
    try {
        switch -CaseSensitive ($kind) {
            'write' { $done = HsDoWrite $words }
            'mkdir' { $done = HsDoMkdir $words }
            'owe' { HsOwe $words[2]; $done = $true }
            'enable' { $done = HsDoEnable $words[2] }
            { @('start', 'restart') -ccontains $_ } { $done = HsDoGated $kind $words }
            default { $script:HsWhy = 'hardstand does not do this on Windows' }
        }
    } catch [OperationCanceledException] {
        throw
    } catch {
        $script:HsWhy = $_.Exception.Message
    }
    if (-not $done) { HsFail "$kind $(HsDecode $words[2]): $HsWhy" }
}

# Writes or removes the receipt of the change: record NUMBER RECORD DIGEST, or unrecord NUMBER RECORD.
function HsRecord([string[]]$words) {
    $number, $record = $words[1], $words[2]
    if ($record -cnotmatch '^[0-9a-f]{32}\z') { throw 'it has no name' }
    $receipt = "$HsState\receipts\$record"
    HsPut "$HsDir\receipts\$number.record" $record
    if ([IO.File]::Exists($receipt)) { [IO.File]::Copy($receipt, "$HsDir\receipts\$number.was", $true) }
    if ($words[0] -ceq 'unrecord') { HsDrop $receipt; return }
    HsPutBytes $receipt ([IO.File]::ReadAllBytes("$HsDir\content\$($words[3])"))
}

# Puts back the receipt that there was before a change.
function HsUnrecord([string]$number) {
    $record = HsFirst "$HsDir\receipts\$number.record"
    if ($record -cnotmatch '^[0-9a-f]{32}\z') { return }
    $was = "$HsDir\receipts\$number.was"
    if ([IO.File]::Exists($was)) { HsPutBytes "$HsState\receipts\$record" ([IO.File]::ReadAllBytes($was)) }
    else { HsDrop "$HsState\receipts\$record" }
}

# Keeps the last three transactions, and what was staged within the hour.
function HsGc([string]$mine) {
    if (-not [IO.Directory]::Exists("$HsState\txn")) { return }
    $generation = HsGeneration
    $hourAgo = [DateTime]::UtcNow.AddHours(-1)
    foreach ($path in [IO.Directory]::GetDirectories("$HsState\txn")) {
        if ($path -ceq $mine) { continue }
        $order = HsFirst "$path\order"
        if ($order -cmatch '^[0-9]{1,18}\z') { $old = [long]$order -le $generation - 3 }
        else { $old = [IO.Directory]::GetLastWriteTimeUtc($path) -lt $hourAgo }
        if ($old) { try { [IO.Directory]::Delete($path, $true) } catch { } }
    }
}

# -------------------------------------------------------------------------------------------------------------- files

# Writes a new file and waits until it is on the disk.
function HsWriteNew([string]$path, [byte[]]$bytes) {
    $stream = [IO.FileStream]::new($path, [IO.FileMode]::CreateNew, [IO.FileAccess]::Write, [IO.FileShare]::None)
    try {
        $stream.Write($bytes, 0, $bytes.Length)
        $stream.Flush($true)
    } finally { $stream.Dispose() }
}

# Writes a small file of ours atomically.
function HsPut([string]$path, [string]$text) {
    HsPutBytes $path ($HsAscii.GetBytes("$text`n"))
}

# The temporary stands in a directory in which no file means anything.
function HsPutBytes([string]$path, [byte[]]$bytes) {
    $temp = "$HsState\txn\.put.$HsTxn$HsNonce"
    [IO.File]::Delete($temp)
    HsWriteNew $temp $bytes
    HsReplace $temp $path
}

# Puts a file in the place of another, or where nothing is. A scanner may have either of them open for a moment; and a
# replacement that failed half way leaves nothing at the path and the new file at its own.
function HsReplace([string]$temp, [string]$path) {
    for ($tries = 1; $true; $tries++) {
        try {
            if ([IO.File]::Exists($path)) { [IO.File]::Replace($temp, $path, [NullString]::Value) }
            else { [IO.File]::Move($temp, $path) }
            return
        } catch [IO.IOException] {
            if ($tries -ge 10) { throw }
        }
        Start-Sleep -Milliseconds 200
    }
}

function HsDrop([string]$path) {
    if ([IO.File]::Exists($path)) { [IO.File]::Delete($path) }
}

# Returns the path of a step, which is no pipe; null if it is none.
function HsStepPath([string]$field) {
    $name = HsDecode $field
    if ($null -eq $name -or $name -cmatch '^/pipe/') { return $null }
    HsPath $name
}

# Returns what is at a path: absent, other, or the digest of a file.
function HsLook([string]$path) {
    switch -CaseSensitive (HsKindOf $path) {
        'absent' { 'absent' }
        'file' { HsDigestOf $path }
        default { 'other' }
    }
}

# Whether a path holds what was planned: nothing, any file or nothing, or a digest.
function HsHolds([string]$path, [string]$planned) {
    $now = HsLook $path
    $script:HsWhy = 'it is not what was planned to be replaced'
    switch -CaseSensitive ($planned) {
        'nothing' { $now -ceq 'absent' }
        'any' { $now -cne 'other' }
        default { $now -ceq $planned }
    }
}

# Whether no directory on the way to a path is a link, and none can be changed by others than administrators. In the last
# one nobody else may make a file; in those above nobody else may take the next one away.
function HsWayIsSafe([string]$path) {
    $trusted = @('S-1-5-18', 'S-1-5-32-544', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464')
    # Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership, and the generic rights that hold them.
    $rights = 0x10000 -bor 0x40 -bor 0x40000 -bor 0x80000 -bor 0x10000000
    # WriteData, AppendData and generic write too.
    $last = $rights -bor 0x2 -bor 0x4 -bor 0x40000000
    $directory = [IO.Path]::GetDirectoryName($path)
    while ($directory) {
        if ((HsKindOf $directory) -cne 'directory') {
            $script:HsWhy = "$directory is not a directory"
            return $false
        }
        $acl = Get-Acl -LiteralPath $directory
        foreach ($rule in $acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
            $below = ([int]$rule.PropagationFlags -band [int][Security.AccessControl.PropagationFlags]::InheritOnly) -ne 0
            $denies = $rule.AccessControlType -ne [Security.AccessControl.AccessControlType]::Allow
            if ($below -or $denies -or $trusted -ccontains $rule.IdentityReference.Value) { continue }
            if (([int]$rule.FileSystemRights -band $last) -ne 0) {
                $script:HsWhy = "its directory $directory can be changed by others than administrators ($($rule.IdentityReference.Value))"
                return $false
            }
        }
        $last = $rights
        $directory = [IO.Path]::GetDirectoryName($directory)
    }
    $true
}

# step write PATH MODE OWNER GROUP REPLACES CHECK DIGEST OWES
function HsDoWrite([string[]]$words) {
    $path = HsStepPath $words[2]
    $replaces, $check, $digest, $owes = $words[6..9]
    if ($null -eq $path -or $digest -cnotmatch '^[0-9a-f]{64}\z') { $script:HsWhy = 'the step cannot be read'; return $false }
    if (-not (HsWayIsSafe $path) -or -not (HsHolds $path $replaces)) { return $false }
    if ((HsFirst "$HsDir\backup\$HsStep.was") -cne (HsLook $path) -and -not (HsBackUp $HsStep $path)) { return $false }
    $temp = [IO.Path]::Combine([IO.Path]::GetDirectoryName($path), ".hardstand.$HsTxn.$HsStep")
    $HsTemps.Add($temp)
    HsWriteNew $temp ([IO.File]::ReadAllBytes("$HsDir\content\$digest"))
    if (-not (HsCheckTemp $check $temp)) { return $false }
    HsOwe $owes
    if (-not (HsHolds $path $replaces)) { return $false }
    HsReplace $temp $path
    $HsWritten.Insert(0, @{ Step = $HsStep; Change = $HsChange; Owes = $owes.Split(','); Digest = $digest; Path = $path })
    $script:HsWhy = 'it reads back differently'
    (HsLook $path) -ceq $digest
}

# Lets the program that will read the file read it first.
function HsCheckTemp([string]$check, [string]$temp) {
    if ($check -ceq '-') { return $true }
    if ($check -cne 'containerd') { $script:HsWhy = "unknown check $check"; return $false }
    $program = HsProgram 'containerd'
    $script:HsWhy = 'containerd is not installed, so it could not check the file'
    if ($program -ceq '') { return $false }
    $said = HsRun $program "--config `"$temp`" config dump" 30
    $script:HsWhy = HsLastLine $said.Err
    if ($said.Status -eq 0) { $script:HsWhy = HsMissingImport $said.Out }
    $HsWhy -ceq ''
}

# step mkdir PATH MODE OWNER GROUP
function HsDoMkdir([string[]]$words) {
    $path = HsStepPath $words[2]
    if ($null -eq $path) { $script:HsWhy = 'the step cannot be read'; return $false }
    if (-not (HsWayIsSafe $path)) { return $false }
    if ((HsKindOf $path) -ceq 'absent') { [void][IO.Directory]::CreateDirectory($path) }
    $script:HsWhy = 'it is not a directory'
    (HsKindOf $path) -ceq 'directory'
}

# ----------------------------------------------------------------------------------------------------------- services

# enable UNIT: it starts with Windows.
function HsDoEnable([string]$unit) {
    $state = HsServiceState $unit
    if ($null -eq $state) { $script:HsWhy = 'there is no such service'; return $false }
    Set-Service -Name $state.Name -StartupType Automatic
    $state = HsServiceState $unit
    $script:HsWhy = "its start type is $($state.Starts)"
    $state.Starts -ceq 'enabled'
}

# step start|restart UNIT START-SECONDS STEADY-SECONDS SOCKET
# A restart whose gate fails is undone, if files that owe it were written here.
function HsDoGated([string]$kind, [string[]]$words) {
    $unit, $startSeconds, $steadySeconds = $words[2], [int]$words[3], [int]$words[4]
    $socket = HsDecode $words[5]
    $before = HsServiceState $unit
    if ($null -eq $before) { $script:HsWhy = 'there is no such service'; return $false }
    $base = @{ Active = $before.Active; Socket = $socket }
    $dependents = @(HsDependents $before.Name)
    if ($socket -cne '-' -and $kind -ceq 'restart' -and -not (HsCriAnswers $socket)) { $base.Socket = '-' }
    if (HsActAndGate $kind $unit $startSeconds $steadySeconds $socket) {
        HsSettle $unit
        return (HsStartAgain $dependents)
    }
    if ($kind -cne 'restart') { return $false }
    $undone = HsUndo $unit $base $startSeconds $steadySeconds
    $failure = $HsWhy
    if (-not (HsStartAgain $dependents)) { HsNote $HsWhy }
    $script:HsWhy = $failure
    $undone
}

# Returns the names of the running services that need another: a restart stops them with it.
function HsDependents([string]$name) {
    foreach ($service in @(Get-Service -Name $name -DependentServices)) {
        if ([string]$service.Status -ceq 'Running') { $service.Name }
    }
}

# Starts what was stopped with another service. A restart that failed half way leaves it stopped.
function HsStartAgain([string[]]$names) {
    foreach ($name in $names) {
        $said = ''
        try { Start-Service -Name $name } catch { $said = $_.Exception.Message }
        if ([string](Get-Service -Name $name).Status -cne 'Running') {
            $script:HsWhy = "the service $name, which needs it, did not start again $said".TrimEnd()
            return $false
        }
    }
    $true
}

# Starts or restarts a service and waits for its gate.
function HsActAndGate([string]$kind, [string]$unit, [int]$startSeconds, [int]$steadySeconds, [string]$socket) {
    $before = HsServiceState $unit
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $said = ''
    try {
        if ($kind -ceq 'restart') { Restart-Service -Name $before.Name -Force }
        else { Start-Service -Name $before.Name }
    } catch {
        $said = $_.Exception.Message
    }
    while ($true) {
        $state = HsServiceState $unit
        $renewed = $kind -cne 'restart' -or $state.Process -ne $before.Process
        if ($state.Active -ceq 'active' -and $renewed) { break }
        $script:HsWhy = "it is $($state.State) $said".TrimEnd()
        if ($watch.Elapsed.TotalSeconds -ge $startSeconds -or ($state.Active -ceq 'inactive' -and $said -cne '')) { return $false }
        Start-Sleep -Seconds 1
    }
    for ($waited = 1; $waited -le $steadySeconds; $waited++) {
        Start-Sleep -Seconds 1
        $now = HsServiceState $unit
        if ($now.Active -cne 'active' -or $now.Process -ne $state.Process) {
            $script:HsWhy = "it did not stay up: after $waited seconds it is $($now.State)"
            return $false
        }
    }
    HsWaitCri $socket
}

# Waits until something listens at the pipe, and answers if there is a client to ask it.
function HsWaitCri([string]$socket) {
    if ($socket -ceq '-') { return $true }
    for ($waited = 0; $waited -le 15; $waited++) {
        if (HsCriAnswers $socket) { return $true }
        Start-Sleep -Seconds 1
    }
    $script:HsWhy = "its CRI does not answer at $socket"
    $false
}

# Whether the CRI at a pipe answers, as far as it can be asked.
function HsCriAnswers([string]$socket) {
    if ((HsPipe $socket) -cne 'listens') { return $false }
    $crictl = HsProgram 'crictl'
    if ($crictl -cne '') { return (HsCrictl $crictl $socket 'version').Status -eq 0 }
    $ctr = HsProgram 'ctr'
    if ($ctr -ceq '') {
        HsNote "unproven: there is no crictl or ctr to ask $socket"
        return $true
    }
    $said = HsRun $ctr "--address \\.\pipe\$($socket.Substring(6)) plugins ls" 10
    if ($said.Status -ne 0) { return $false }
    $cri = @($said.Out.Replace("`r", '').Split("`n") -cmatch '\.cri\.v1\s|\.grpc\.v1\s+cri\s')
    $cri.Count -gt 0 -and @($cri -cmatch '\serror').Count -eq 0
}

# Puts back the files of this transaction that owe a restart of a unit, restarts it, and gates on what it was before.
# Returns false if there is nothing to put back.
function HsUndo([string]$unit, $base, [int]$startSeconds, [int]$steadySeconds) {
    $failure = $HsWhy
    $undone = [Collections.Generic.List[string]]::new()
    foreach ($entry in $HsWritten) {
        if ($entry.Owes -cnotcontains $unit) { continue }
        if (-not (HsRestore $entry)) { HsFinal 'wedged' "$($entry.Path) could not be put back: $HsWhy" }
        if (-not $undone.Contains($entry.Change)) { $undone.Add($entry.Change) }
    }
    if ($undone.Count -eq 0) {
        $script:HsWhy = $failure
        return $false
    }
    $runs = HsActAndGate 'restart' $unit $startSeconds $steadySeconds $base.Socket
    foreach ($number in $undone) {
        [void]$HsBad.Add($number)
        HsUnrecord $number
        HsLog "undone $number $(HsEncode "put back, since $unit did not come up")"
    }
    if (-not $runs -and $base.Active -ceq 'active') {
        HsFinal 'wedged' "$unit`: $failure; its files were put back, and still $HsWhy"
    }
    HsSettle $unit
    $script:HsAnyUndone = $true
    $script:HsOk = $false
    [void]$HsBad.Add($HsChange)
    HsLog "undone $HsChange $(HsEncode "restart ${unit}: $failure")"
    $true
}

# Puts back the backup of a file, if the file is still what we made of it.
function HsRestore($entry) {
    if (-not (HsHolds $entry.Path $entry.Digest)) { return $false }
    $backup = "$HsDir\backup\$($entry.Step)"
    $was = HsFirst "$backup.was"
    if ($was -ceq 'absent') {
        [IO.File]::Delete($entry.Path)
        return $true
    }
    $temp = [IO.Path]::Combine([IO.Path]::GetDirectoryName($entry.Path), ".hardstand.$HsTxn.$($entry.Step).back")
    $HsTemps.Add($temp)
    HsWriteNew $temp ([IO.File]::ReadAllBytes($backup))
    HsReplace $temp $entry.Path
    HsHolds $entry.Path $was
}

# ---------------------------------------------------------------------------------------------- restarts that are owed

# Notes that units run an old configuration from here on: UNIT,UNIT
function HsOwe([string]$owes) {
    if ($owes -ceq '-') { return }
    foreach ($unit in $owes.Split(',')) {
        if ($null -eq (HsService $unit)) { throw "the owed restart of $unit could not be noted" }
        if (-not [IO.File]::Exists("$HsState\owed\$unit")) { HsPut "$HsState\owed\$unit" $HsTxn }
    }
}

# Nothing is owed to a unit any more.
function HsSettle([string]$unit) {
    HsDrop "$HsState\owed\$unit"
}

# A unit that does not run runs no old configuration.
function HsForgetIdleDebts {
    foreach ($path in (HsEntries "$HsState\owed")) {
        $state = $null
        try { $state = HsServiceState ([IO.Path]::GetFileName($path)) } catch { continue }
        if ($null -eq $state -or $state.Active -ceq 'inactive') { HsDrop $path }
    }
}
