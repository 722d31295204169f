use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::operation::list_functions::ListFunctionsOutput;
use aws_sdk_lambda::types::{
    EnvironmentError, EnvironmentResponse, FunctionConfiguration, Runtime, TracingConfigResponse, VpcConfigResponse,
};
use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::*;
use crate::aws::mocked;

const CANARY: &str = "canary-value-of-a-variable";

#[tokio::test]
async fn of_variables_only_the_names_are_kept() {
    let rule = mock!(aws_sdk_lambda::Client::get_function_configuration).then_output(|| {
        let variables = [("B".to_owned(), CANARY.to_owned()), ("A".to_owned(), CANARY.to_owned())];
        let environment = EnvironmentResponse::builder().set_variables(Some(variables.into())).build();
        GetFunctionConfigurationOutput::builder()
            .function_arn("arn")
            .runtime(Runtime::from("nodejs24.x"))
            .role("role")
            .kms_key_arn("")
            .tracing_config(TracingConfigResponse::builder().mode(TracingMode::PassThrough).build())
            .vpc_config(VpcConfigResponse::builder().vpc_id("").build())
            .environment(environment)
            .build()
    });
    let aws = mocked::aws().with_lambda(mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&rule]));
    let facts = function(&aws, "f").await.unwrap().unwrap();
    assert_eq!(facts.variables, ["A", "B"]);
    assert_eq!((facts.traced, facts.in_vpc, &facts.kms_key), (false, false, &None), "empty is not set");
    assert_eq!(facts.runtime.as_deref(), Some("nodejs24.x"));
    assert!(!format!("{facts:?}{}", serde_json::to_string(&facts).unwrap()).contains(CANARY));
}

#[tokio::test]
async fn variables_that_lambda_does_not_tell_are_noted() {
    let rule = mock!(aws_sdk_lambda::Client::get_function_configuration).then_output(|| {
        let error = EnvironmentError::builder().error_code("AccessDeniedException").message(CANARY).build();
        let environment = EnvironmentResponse::builder().error(error).build();
        GetFunctionConfigurationOutput::builder().environment(environment).build()
    });
    let aws = mocked::aws().with_lambda(mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&rule]));
    let facts = function(&aws, "f").await.unwrap().unwrap();
    assert_eq!(facts.variables_error.as_deref(), Some("AccessDeniedException"));
}

#[tokio::test]
async fn functions_of_all_pages_are_put_under_their_roles() {
    let page = |name: &str, marker: Option<&str>| {
        let function = FunctionConfiguration::builder().function_name(name).role("r").build();
        ListFunctionsOutput::builder().functions(function).set_next_marker(marker.map(str::to_owned)).build()
    };
    let first = mock!(aws_sdk_lambda::Client::list_functions)
        .match_requests(|request| request.marker().is_none())
        .then_output(move || page("b", Some("2")));
    let second = mock!(aws_sdk_lambda::Client::list_functions)
        .match_requests(|request| request.marker() == Some("2"))
        .then_output(move || page("a", None));
    let aws = mocked::aws().with_lambda(mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&first, &second]));
    let all = by_role(&aws).await.unwrap();
    assert_eq!(all, [("r".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into());
    assert_eq!((first.num_calls(), second.num_calls()), (1, 1));
}
