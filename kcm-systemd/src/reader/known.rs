//! The directives that systemd 252 knows in a service unit.
//!
//! Names are those of `systemd --dump-configuration-items`, including deprecated ones and aliases.

use crate::nearest::nearest_of;

/// The sections of a service unit.
pub(super) const SECTIONS: [&str; 3] = ["Unit", "Service", "Install"];

/// Reports whether a section of a service unit has the key.
pub(super) fn is_known(section: &str, key: &str) -> bool {
    keys(section).binary_search(&key).is_ok()
}

/// Returns the key of the section with the most similar spelling.
pub(super) fn nearest_key(section: &str, key: &str) -> Option<&'static str> {
    nearest_of(key, keys(section).iter().copied())
}

/// Returns the section with the most similar spelling.
pub(super) fn nearest_section(section: &str) -> Option<&'static str> {
    nearest_of(section, SECTIONS.into_iter())
}

/// Returns the keys of a section, in byte order.
fn keys(section: &str) -> &'static [&'static str] {
    match section {
        "Unit" => UNIT,
        "Service" => SERVICE,
        "Install" => INSTALL,
        _ => &[],
    }
}

#[rustfmt::skip]
const UNIT: &[&str] = &[
    "After", "AllowIsolate", "AssertACPower", "AssertArchitecture", "AssertCPUFeature", "AssertCPUPressure",
    "AssertCPUs", "AssertCapability", "AssertControlGroupController", "AssertCredential", "AssertDirectoryNotEmpty",
    "AssertEnvironment", "AssertFileIsExecutable", "AssertFileNotEmpty", "AssertFirstBoot", "AssertGroup",
    "AssertHost", "AssertIOPressure", "AssertKernelCommandLine", "AssertKernelVersion", "AssertMemory",
    "AssertMemoryPressure", "AssertNeedsUpdate", "AssertOSRelease", "AssertPathExists", "AssertPathExistsGlob",
    "AssertPathIsDirectory", "AssertPathIsEncrypted", "AssertPathIsMountPoint", "AssertPathIsReadWrite",
    "AssertPathIsSymbolicLink", "AssertSecurity", "AssertUser", "AssertVirtualization", "Before", "BindTo",
    "BindsTo", "CollectMode", "ConditionACPower", "ConditionArchitecture", "ConditionCPUFeature",
    "ConditionCPUPressure", "ConditionCPUs", "ConditionCapability", "ConditionControlGroupController",
    "ConditionCredential", "ConditionDirectoryNotEmpty", "ConditionEnvironment", "ConditionFileIsExecutable",
    "ConditionFileNotEmpty", "ConditionFirmware", "ConditionFirstBoot", "ConditionGroup", "ConditionHost",
    "ConditionIOPressure", "ConditionKernelCommandLine", "ConditionKernelVersion", "ConditionMemory",
    "ConditionMemoryPressure", "ConditionNeedsUpdate", "ConditionOSRelease", "ConditionPathExists",
    "ConditionPathExistsGlob", "ConditionPathIsDirectory", "ConditionPathIsEncrypted", "ConditionPathIsMountPoint",
    "ConditionPathIsReadWrite", "ConditionPathIsSymbolicLink", "ConditionSecurity", "ConditionUser",
    "ConditionVirtualization", "Conflicts", "DefaultDependencies", "Description", "Documentation", "FailureAction",
    "FailureActionExitStatus", "IgnoreOnIsolate", "JobRunningTimeoutSec", "JobTimeoutAction",
    "JobTimeoutRebootArgument", "JobTimeoutSec", "JoinsNamespaceOf", "OnFailure", "OnFailureIsolate",
    "OnFailureJobMode", "OnSuccess", "OnSuccessJobMode", "PartOf", "PropagateReloadFrom", "PropagateReloadTo",
    "PropagatesReloadTo", "PropagatesStopTo", "RebootArgument", "RefuseManualStart", "RefuseManualStop",
    "ReloadPropagatedFrom", "Requires", "RequiresMountsFor", "RequiresOverridable", "Requisite",
    "RequisiteOverridable", "SourcePath", "StartLimitAction", "StartLimitBurst", "StartLimitInterval",
    "StartLimitIntervalSec", "StopPropagatedFrom", "StopWhenUnneeded", "SuccessAction", "SuccessActionExitStatus",
    "Upholds", "Wants",
];

#[rustfmt::skip]
const SERVICE: &[&str] = &[
    "AllowedCPUs", "AllowedMemoryNodes", "AmbientCapabilities", "AppArmorProfile", "BPFProgram", "BindPaths",
    "BindReadOnlyPaths", "BlockIOAccounting", "BlockIODeviceWeight", "BlockIOReadBandwidth", "BlockIOWeight",
    "BlockIOWriteBandwidth", "BusName", "CPUAccounting", "CPUAffinity", "CPUQuota", "CPUQuotaPeriodSec",
    "CPUSchedulingPolicy", "CPUSchedulingPriority", "CPUSchedulingResetOnFork", "CPUShares", "CPUWeight",
    "CacheDirectory", "CacheDirectoryMode", "CapabilityBoundingSet", "ConfigurationDirectory",
    "ConfigurationDirectoryMode", "CoredumpFilter", "DefaultMemoryLow", "DefaultMemoryMin", "Delegate",
    "DeviceAllow", "DevicePolicy", "DisableControllers", "DynamicUser", "Environment", "EnvironmentFile",
    "ExecCondition", "ExecPaths", "ExecReload", "ExecSearchPath", "ExecStart", "ExecStartPost", "ExecStartPre",
    "ExecStop", "ExecStopPost", "ExitType", "ExtensionDirectories", "ExtensionImages", "FailureAction",
    "FileDescriptorStoreMax", "FinalKillSignal", "Group", "GuessMainPID", "IOAccounting",
    "IODeviceLatencyTargetSec", "IODeviceWeight", "IOReadBandwidthMax", "IOReadIOPSMax", "IOSchedulingClass",
    "IOSchedulingPriority", "IOWeight", "IOWriteBandwidthMax", "IOWriteIOPSMax", "IPAccounting", "IPAddressAllow",
    "IPAddressDeny", "IPCNamespacePath", "IPEgressFilterPath", "IPIngressFilterPath", "IgnoreSIGPIPE",
    "InaccessibleDirectories", "InaccessiblePaths", "KeyringMode", "KillMode", "KillSignal", "LimitAS", "LimitCORE",
    "LimitCPU", "LimitDATA", "LimitFSIZE", "LimitLOCKS", "LimitMEMLOCK", "LimitMSGQUEUE", "LimitNICE",
    "LimitNOFILE", "LimitNPROC", "LimitRSS", "LimitRTPRIO", "LimitRTTIME", "LimitSIGPENDING", "LimitSTACK",
    "LoadCredential", "LoadCredentialEncrypted", "LockPersonality", "LogExtraFields", "LogLevelMax", "LogNamespace",
    "LogRateLimitBurst", "LogRateLimitIntervalSec", "LogsDirectory", "LogsDirectoryMode",
    "ManagedOOMMemoryPressure", "ManagedOOMMemoryPressureLimit", "ManagedOOMPreference", "ManagedOOMSwap",
    "MemoryAccounting", "MemoryDenyWriteExecute", "MemoryHigh", "MemoryLimit", "MemoryLow", "MemoryMax",
    "MemoryMin", "MemorySwapMax", "MountAPIVFS", "MountFlags", "MountImages", "NUMAMask", "NUMAPolicy",
    "NetworkNamespacePath", "Nice", "NoExecPaths", "NoNewPrivileges", "NonBlocking", "NotifyAccess", "OOMPolicy",
    "OOMScoreAdjust", "PAMName", "PIDFile", "PassEnvironment", "PermissionsStartOnly", "Personality",
    "PrivateDevices", "PrivateIPC", "PrivateMounts", "PrivateNetwork", "PrivateTmp", "PrivateUsers", "ProcSubset",
    "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs",
    "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProtectSystem", "ReadOnlyDirectories",
    "ReadOnlyPaths", "ReadWriteDirectories", "ReadWritePaths", "RebootArgument", "RemainAfterExit", "RemoveIPC",
    "Restart", "RestartForceExitStatus", "RestartKillSignal", "RestartPreventExitStatus", "RestartSec",
    "RestrictAddressFamilies", "RestrictFileSystems", "RestrictNamespaces", "RestrictNetworkInterfaces",
    "RestrictRealtime", "RestrictSUIDSGID", "RootDirectory", "RootDirectoryStartOnly", "RootHash",
    "RootHashSignature", "RootImage", "RootImageOptions", "RootVerity", "RuntimeDirectory", "RuntimeDirectoryMode",
    "RuntimeDirectoryPreserve", "RuntimeMaxSec", "RuntimeRandomizedExtraSec", "SELinuxContext", "SecureBits",
    "SendSIGHUP", "SendSIGKILL", "SetCredential", "SetCredentialEncrypted", "Slice", "SmackProcessLabel",
    "SocketBindAllow", "SocketBindDeny", "Sockets", "StandardError", "StandardInput", "StandardInputData",
    "StandardInputText", "StandardOutput", "StartLimitAction", "StartLimitBurst", "StartLimitInterval",
    "StartupAllowedCPUs", "StartupAllowedMemoryNodes", "StartupBlockIOWeight", "StartupCPUShares",
    "StartupCPUWeight", "StartupIOWeight", "StateDirectory", "StateDirectoryMode", "SuccessExitStatus",
    "SupplementaryGroups", "SyslogFacility", "SyslogIdentifier", "SyslogLevel", "SyslogLevelPrefix",
    "SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallFilter", "SystemCallLog", "TTYColumns",
    "TTYPath", "TTYReset", "TTYRows", "TTYVHangup", "TTYVTDisallocate", "TasksAccounting", "TasksMax",
    "TemporaryFileSystem", "TimeoutAbortSec", "TimeoutCleanSec", "TimeoutSec", "TimeoutStartFailureMode",
    "TimeoutStartSec", "TimeoutStopFailureMode", "TimeoutStopSec", "TimerSlackNSec", "Type", "UMask",
    "USBFunctionDescriptors", "USBFunctionStrings", "UnsetEnvironment", "User", "UtmpIdentifier", "UtmpMode",
    "WatchdogSec", "WatchdogSignal", "WorkingDirectory",
];

#[rustfmt::skip]
const INSTALL: &[&str] = &[
    "Alias", "Also", "DefaultInstance", "RequiredBy", "WantedBy",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted() {
        for section in SECTIONS {
            assert!(keys(section).is_sorted_by(|a, b| a < b), "{section}");
        }
    }

    #[test]
    fn keys_belong_to_their_section() {
        assert!(is_known("Service", "RestartSec"));
        assert!(!is_known("Unit", "RestartSec"));
        assert!(!is_known("Socket", "ListenStream"));
        assert_eq!(nearest_key("Service", "Restart-Sec"), Some("RestartSec"));
        assert_eq!(nearest_section("service"), Some("Service"));
    }
}
