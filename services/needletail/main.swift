import BatchFeatures
import Dashboard
import FeatureStoreCommands
import FeatureTransformer
import KafkaBrokerService
import KafkaProducerService
import PredictionAPI
import Retention
import Scheduler
import ServiceRuntime
import Training

await CommandLineProgram(
    name: "needletail", version: "0.1.0",
    summary: "scores card transactions while they happen: Kafka, an online feature store, an explained answer.",
    groups: [
        CommandGroup("Stream", [GenerateCommand.self, ProduceCommand.self, TransformCommand.self]),
        CommandGroup(
            "Features",
            [
                InitCommand.self, FeaturesPlanCommand.self, FeaturesApplyCommand.self, FeaturesRolloutCommand.self,
                FeaturesRollbackCommand.self, FeaturesListCommand.self, FeaturesDescribeCommand.self,
                FeaturesGetOnlineCommand.self, FeaturesGetHistoricalCommand.self, FeaturesFunctionsCommand.self,
                FeaturesSchemaCommand.self, FeaturesVerifyCommand.self,
                BackfillCommand.self, PruneCommand.self,
            ]),
        CommandGroup(
            "Model",
            [
                TrainCommand.self, TrainPrepareCommand.self, TrainFitCommand.self, TrainEvaluateCommand.self,
                RetrainCommand.self, DriftCommand.self, ScoreCommand.self, ModelsListCommand.self,
                ModelsShowCommand.self, ModelsCompareCommand.self, ModelsPromoteCommand.self,
                ModelsRollbackCommand.self, ModelsArchiveCommand.self, ModelsDeleteCommand.self,
                ModelsRegisterCommand.self, ModelsChampionCommand.self,
            ]),
        CommandGroup(
            "Servers", [ServeCommand.self, FeatureServerCommand.self, BrokerCommand.self, ScheduleCommand.self]),
        CommandGroup("Watch", [DashboardCommand.self]),
    ]
).main()
