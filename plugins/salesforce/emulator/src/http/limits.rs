//! The daily API quota, and `/limits`.

use std::collections::VecDeque;
use std::sync::Mutex;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::message::{Answer, ApiResponse};
use crate::error::SalesforceError;
use crate::org::lock;

/// API calls of the last 24 hours against a maximum. Calls fall out of the window hour by hour.
#[derive(Debug)]
pub(crate) struct ApiUsage {
    inner: Mutex<Usage>,
}

#[derive(Debug)]
struct Usage {
    max: u64,
    hours: VecDeque<(i64, u64)>,
}

impl ApiUsage {
    pub(crate) fn new(max: u64) -> Self {
        Self { inner: Mutex::new(Usage { max, hours: VecDeque::new() }) }
    }

    /// Calls of the last 24 hours, and the maximum.
    pub(crate) fn state(&self, now: Timestamp) -> (u64, u64) {
        let mut usage = lock(&self.inner);
        usage.expire(now);
        (usage.used(), usage.max)
    }

    /// Takes calls off the quota, unless it is used up.
    pub(crate) fn take(&self, calls: u64, now: Timestamp) -> Result<(), SalesforceError> {
        let mut usage = lock(&self.inner);
        usage.expire(now);
        if usage.used() >= usage.max {
            return Err(SalesforceError::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
        }
        let hour = now.as_second() / 3600;
        match usage.hours.back_mut() {
            Some((last, count)) if *last == hour => *count += calls,
            _ => usage.hours.push_back((hour, calls)),
        }
        Ok(())
    }

    /// Sets the maximum.
    pub(crate) fn set_max(&self, max: u64) {
        lock(&self.inner).max = max;
    }

    /// Forgets the calls so far.
    pub(crate) fn reset(&self) {
        lock(&self.inner).hours.clear();
    }
}

impl Usage {
    fn used(&self) -> u64 {
        self.hours.iter().map(|(_, count)| count).sum()
    }

    fn expire(&mut self, now: Timestamp) {
        let first = now.as_second() / 3600 - 23;
        while self.hours.front().is_some_and(|(hour, _)| *hour < first) {
            self.hours.pop_front();
        }
    }
}

/// Names and maxima of the other limits: a Developer Edition's usual figures.
const OTHERS: [(&str, u64); 47] = [
    ("ActiveScratchOrgs", 3),
    ("AnalyticsExternalDataSizeMB", 40_960),
    ("BOZosCalloutHourlyLimit", 20_000),
    ("ConcurrentAsyncGetReportInstances", 200),
    ("ConcurrentEinsteinDataInsightsStoryCreation", 5),
    ("ConcurrentEinsteinDiscoveryStoryCreation", 2),
    ("ConcurrentSyncReportRuns", 20),
    ("DailyAnalyticsDataflowJobExecutions", 60),
    ("DailyAnalyticsUploadedFilesSizeMB", 51_200),
    ("DailyAsyncApexExecutions", 250_000),
    ("DailyAsyncApexTests", 500),
    ("DailyDeliveredPlatformEvents", 10_000),
    ("DailyDurableGenericStreamingApiEvents", 10_000),
    ("DailyDurableStreamingApiEvents", 10_000),
    ("DailyEinsteinDataInsightsStoryCreation", 1_000),
    ("DailyEinsteinDiscoveryOptimizationJobRuns", 0),
    ("DailyEinsteinDiscoveryPredictAPICalls", 50_000),
    ("DailyEinsteinDiscoveryPredictionsByCDC", 500_000),
    ("DailyEinsteinDiscoveryStoryCreation", 100),
    ("DailyFunctionsApiCallLimit", 50_000),
    ("DailyGenericStreamingApiEvents", 10_000),
    ("DailyScratchOrgs", 6),
    ("DailyStandardVolumePlatformEvents", 10_000),
    ("DailyStreamingApiEvents", 10_000),
    ("DailyWorkflowEmails", 100_000),
    ("DataStorageMB", 1_024),
    ("DurableStreamingApiConcurrentClients", 20),
    ("FileStorageMB", 1_024),
    ("HourlyAsyncReportRuns", 1_200),
    ("HourlyDashboardRefreshes", 200),
    ("HourlyDashboardResults", 5_000),
    ("HourlyDashboardStatuses", 999_999_999),
    ("HourlyLongTermIdMapping", 100_000),
    ("HourlyManagedContentPublicRequests", 50_000),
    ("HourlyODataCallout", 10_000),
    ("HourlyPublishedPlatformEvents", 50_000),
    ("HourlyPublishedStandardVolumePlatformEvents", 1_000),
    ("HourlyShortTermIdMapping", 100_000),
    ("HourlySyncReportRuns", 500),
    ("HourlyTimeBasedWorkflow", 50),
    ("MassEmail", 10),
    ("MonthlyEinsteinDiscoveryStoryCreation", 500),
    ("MonthlyPlatformEventsUsageEntitlement", 0),
    ("Package2VersionCreates", 6),
    ("PermissionSets", 1_500),
    ("SingleEmail", 15),
    ("StreamingApiConcurrentClients", 20),
];

/// `GET /limits`.
pub(crate) fn limits(call: &Call<'_>) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    let (used, max) = call.server.usage.state(call.server.org.clock.now());
    let mut body: Map<String, Value> = OTHERS
        .iter()
        .map(|(name, max)| ((*name).to_owned(), json!({ "Max": max, "Remaining": max })))
        .collect();
    for (name, max, left) in call.server.bulk.limits(call.server.org.clock.now()) {
        body.insert(name.to_owned(), json!({ "Max": max, "Remaining": left }));
    }
    body.insert("DailyApiRequests".to_owned(), json!({ "Max": max, "Remaining": max.saturating_sub(used) }));
    Ok(ApiResponse::json(200, &Value::Object(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn calls_count_for_a_day_and_then_fall_out() {
        let usage = ApiUsage::new(2);
        let now: Timestamp = "2026-01-15T09:30:00Z".parse().unwrap();
        assert!(usage.take(1, now).is_ok());
        assert!(usage.take(1, now + SignedDuration::from_hours(5)).is_ok());
        let error = usage.take(1, now + SignedDuration::from_hours(23)).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (403, "TotalRequests Limit exceeded."));
        assert!(usage.take(1, now + SignedDuration::from_hours(24)).is_ok());
        assert_eq!(usage.state(now + SignedDuration::from_hours(24)), (2, 2));
    }
}
